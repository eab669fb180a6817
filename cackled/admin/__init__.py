"""One table of operator commands: telnet manhole, command line, admin HTTP."""
