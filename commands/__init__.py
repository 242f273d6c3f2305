"""The command line: one short module per subcommand, heavy imports only when it runs."""
