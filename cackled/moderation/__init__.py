"""Moderation: what a text is judged by before it is written, and what moderators decide; knows no product's tables."""
