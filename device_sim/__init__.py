"""Pretend stations: they know no more of the hub than real hardware would, and break on request."""
