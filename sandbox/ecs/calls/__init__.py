"""The API actions of ECS, and what they refuse."""
