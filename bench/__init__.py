"""Figures that anyone can print again, each beside what it is compared with, in the same run."""
