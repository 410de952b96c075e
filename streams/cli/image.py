"""`streamrank image`."""

from __future__ import annotations

import click

from streams.cli.common import echo_json, json_option


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(dir_okay=False))
@json_option
def command(files: tuple[str, ...], as_json: bool) -> None:
    """Turn pictures into the vectors that items and queries carry as `image_vector`.

    Reads JPEG, PNG, WebP, PPM and PGM files, and .npy arrays (uint8, height x width x 3). Needs an image encoder:
    `streamrank artifact build image-encoder --from FOLDER`. --json prints a line a picture.

    \b
    Example: streamrank image shoe.jpg --json
    """
    from models.base.pictures import read_picture
    from models.items.image_encoder import ImageEncoder
    from streams.artifacts.opening import artifact_path
    from streams.settings import load, variable

    settings = load()
    encoder = ImageEncoder(artifact_path(settings, "image-encoder"), settings.device, settings.threads)
    if encoder.warning:
        click.echo(encoder.warning, err=True)
    for file in files:
        (vector,) = encoder.encode([read_picture(file)])
        if as_json:
            echo_json({"file": file, "image_vector": [round(value, 6) for value in vector.tolist()]})
        else:
            first = " ".join(f"{value:+.3f}" for value in vector[:6].tolist())
            click.echo(f"{file}: {encoder.dim} numbers ({variable('image_dim')}={encoder.dim}): {first} …")
