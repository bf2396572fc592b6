"""Why a request has no response, in one line."""

__all__ = ["describe_failure"]


def describe_failure(error: BaseException) -> str:
    """
    The kind of an error and its innermost cause.

    httpx, httpcore and anyio wrap each other's errors, and only the innermost names the cause.

    Returns:
        For example `ReadError: [Errno 104] Connection reset by peer`.
    """
    cause = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    kind = type(error).__name__
    reason = str(cause) or str(error)
    return f"{kind}: {reason}" if reason else kind
