"""`plimsoll watermark`: the group that the commands about watermarks share."""

import typer

app = typer.Typer()
watermark_app = typer.Typer(no_args_is_help=True, help="Whose model is this, and who leaked it?")
app.add_typer(watermark_app, name="watermark")
