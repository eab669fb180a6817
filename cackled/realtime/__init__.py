"""Live delivery: channels, history, recovery, presence; one module per transport."""
