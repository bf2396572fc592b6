"""The forum monolith: a production set-up made with ordinary AWS calls, for a split to work on."""
