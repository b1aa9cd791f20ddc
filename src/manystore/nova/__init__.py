"""The flagship: the data layer of a compute cloud's control plane, as OpenStack Nova had it in November 2011.

It is an application like any other: it knows the public names of `manystore` and nothing below them. model/ says what
is kept, repository/ what is done with it, database.py puts them together; the rest replays real arrivals through them.
"""
