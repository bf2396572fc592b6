"""The error that AWS answers a call with."""

__all__ = ["AwsError"]


class AwsError(Exception):
    """Raised to answer a call with an error, in AWS's code and wording."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status
