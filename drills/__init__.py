"""Drills: a fault is done to a cluster that takes writes, and then it is proved that none of them is lost.

docs/drills.md tells how to run them and what they mean.
"""
