"""Where everything is put together: settings, processes and the command line."""
