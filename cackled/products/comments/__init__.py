"""Comments: conversations below pages."""
