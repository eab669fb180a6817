"""Previews of links: what a page says of itself, fetched by the outbox and shown below a comment."""
