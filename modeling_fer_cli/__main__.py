"""`python -m modeling_fer_cli` is the command `fer`."""

from modeling_fer_cli.application import app

if __name__ == "__main__":
    app()
