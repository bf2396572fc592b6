"""moto over HTTP, and what happens to each request on its way there and back."""
