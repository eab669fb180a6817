"""A daemon that takes servers of this machine for those of X, VK and Bluesky: see ``site/sitecustomize.py``."""
