"""What the subcommands of `fer` do, one file each."""
