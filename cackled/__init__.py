"""cackled: comments, reviews, polls and live chat for web sites, live, from one Twisted daemon."""

__version__ = "0.1.0"
