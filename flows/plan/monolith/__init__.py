"""What a plan does to the monolith: its drain, its scaling, and the record of its size."""
