"""The rules of comments and sites; no sockets."""
