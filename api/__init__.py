"""People and apps on one side, the hub's database on the other: JSON, live streams and pages over HTTP."""
