"""What is kept: tables, units of work, and the time series of the `sql` kind."""
