"""How the responses of monolith and service are compared, and what of them is noise."""
