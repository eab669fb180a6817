"""Bringing in what other systems have of a site, in bounded memory, and taking it back as a whole.

A *reader* of one format yields neutral records (`records`): pages, and items of the product whose format it is. A
*spool* (`spool`), a file, puts them in order: which page each belongs to, parents before children, numbers that follow
time. A product's *writer* (`writers`) stores them in batches. `run` does one import from beginning to end: it says how
far it is, goes on after a crash, writes nothing in a dry run, and tells what came, what did not and why.

A product says in its ``Product.imports`` which formats it reads and how its items are written.
"""
