"""Every contender, in the order of the tables."""

from tests.benchmarks.opponents import gateways, ours, proxies, python

OPPONENTS = (*ours.OPPONENTS, *proxies.OPPONENTS, *gateways.OPPONENTS, *python.OPPONENTS)
