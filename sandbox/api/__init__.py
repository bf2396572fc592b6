"""The AWS endpoint: moto over HTTP, the record of calls, faults on request."""
