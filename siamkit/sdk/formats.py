"""Recognise by its first bytes what a file is, to say what to do with one that cannot be read."""

from __future__ import annotations

from typing import NamedTuple

from siamkit.io.extras import install_command

HEAD = 4096  # bytes of a file's beginning that are enough

EXPORT = "export it as a PNG, TIFF or JPEG from the program that wrote it"
RAW = "develop it first: `darktable-cli FILE FILE.jpg`, or export it from the camera's program"
FRAME = "take one frame of it: `ffmpeg -i FILE -frames:v 1 FILE.png`"
SOUND = "convert it: `ffmpeg -i FILE FILE.wav`"
UNPACK = "unpack it first"


class Format(NamedTuple):
    """A file format: its name with an article, and what to do with a picture or a sound in it."""

    name: str
    picture_hint: str = ""
    sound_hint: str = ""


PDF = Format("a PDF")  # siamkit.io.pages draws its pages
HEIC = Format("a HEIC picture", f"{install_command('heic')}, or convert it to JPEG")
AVIF = Format("an AVIF picture", "pip install --upgrade pillow, or convert it to JPEG")
JXL = Format("a JPEG XL picture", "convert it: `djxl FILE FILE.png`")
CAMERA = Format("a camera's raw file", RAW)
VIDEO = Format("a video", FRAME, SOUND)
MATROSKA = Format("a Matroska or WebM file", FRAME, SOUND)
M4A = Format("an M4A sound", "", SOUND)
TIFF = Format("a TIFF", EXPORT)
HTML = Format("a web page", "download the file itself", "download the file itself")
SVG = Format("an SVG drawing", "draw it as pixels: `rsvg-convert -o FILE.png FILE`")
ARCHIVE = Format("an archive or an office document", UNPACK, UNPACK)
LFS = Format("a Git LFS pointer", "run `git lfs pull`", "run `git lfs pull`")

STARTS = {
    b"%PDF": PDF,
    b"%!PS": Format("a PostScript file", "convert it: `gs -sDEVICE=png16m -o FILE.png FILE`"),
    b"\xc5\xd0\xd3\xc6": Format("a PostScript file", EXPORT),
    b"AT&TFORM": Format("a DjVu document", "convert it: `ddjvu -format=tiff -page=1 FILE a.tif`"),
    b"8BPS": Format("a Photoshop document", EXPORT),
    b"gimp xcf": Format("a GIMP document", EXPORT),
    b"\xff\x0a": JXL,
    b"\0\0\0\x0cJXL ": JXL,
    b"FUJIFILMCCD-RAW": CAMERA,
    b"IIRO": CAMERA,
    b"IIRS": CAMERA,
    b"MMOR": CAMERA,
    b"IIU\0": CAMERA,
    b"FOVb": CAMERA,
    b"II*\0\x10\0\0\0CR": CAMERA,
    b"II*\0": TIFF,
    b"MM\0*": TIFF,
    b"II+\0": TIFF,
    b"MM\0+": TIFF,
    b"v/1\x01": Format("an OpenEXR picture", EXPORT),
    b"#?RADIANCE": Format("a Radiance HDR picture", EXPORT),
    b"SIMPLE  =": Format("a FITS file", EXPORT),
    b"\0\0\1\0": Format("an icon (ICO)", EXPORT),
    b"\x1aE\xdf\xa3": MATROSKA,
    b"FLV\1": VIDEO,
    b"\0\0\1\xba": VIDEO,
    b"\0\0\1\xb3": VIDEO,
    b"0&\xb2u\x8ef\xcf\x11": Format("a Windows Media file", FRAME, SOUND),
    b"fLaC": Format("a FLAC sound"),
    b"OggS": Format("an OGG sound or video", FRAME, SOUND),
    b"ID3": Format("an MP3 sound", "", SOUND),
    b"caff": Format("a CAF sound", "", SOUND),
    b"#!AMR": Format("an AMR sound", "", SOUND),
    b"MThd": Format("a MIDI file", "", "play it into a WAV file: `timidity FILE -Ow`"),
    b"#EXTM3U": Format("a playlist", "", "name the recordings in it"),
    b"\x89PNG": Format("a PNG picture"),
    b"\xff\xd8\xff": Format("a JPEG picture"),
    b"GIF8": Format("a GIF picture"),
    b"PK\3\4": ARCHIVE,
    b"\x1f\x8b": ARCHIVE,
    b"7z\xbc\xaf\x27\x1c": ARCHIVE,
    b"Rar!": ARCHIVE,
    b"\xd0\xcf\x11\xe0": ARCHIVE,
    b"SQLite format 3\0": Format("an SQLite database"),
    b"\x93NUMPY": Format("a NumPy array"),
    b"version https://git-lfs": LFS,
}
# Brands of ISO base media files (ISO/IEC 14496-12), at byte 8; other brands are videos.
BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), M4A),
    b"crx ": CAMERA,
}
RIFF = {
    b"WAVE": Format("a WAV sound", "", SOUND),
    b"AVI ": VIDEO,
    b"WEBP": Format("a WebP picture"),
}
FORM = {b"AIFF": Format("an AIFF sound"), b"AIFC": Format("an AIFF sound", "", SOUND)}


def recognise(head: bytes) -> Format | None:
    """Return the format of a file that begins with these bytes (HEAD are enough), if it is known.

    Naming a format promises nothing: the rest of the file may be damaged.
    """
    if head[4:8] == b"ftyp":
        brand, compatible = head[8:12], head[16:64]
        if brand in (b"mif1", b"msf1") and b"avi" in compatible:
            return AVIF
        return BRANDS.get(brand, VIDEO)
    if head[4:8] in (b"moov", b"mdat", b"wide"):  # QuickTime before it had brands
        return VIDEO
    if head.startswith((b"RIFF", b"FORM")):
        return (RIFF if head.startswith(b"R") else FORM).get(head[8:12])
    if head[128:132] == b"DICM":
        return Format("a DICOM file", "convert it: `dcm2img FILE FILE.png`")
    for start in sorted(STARTS, key=len, reverse=True):
        if head.startswith(start):
            return STARTS[start]
    text = head[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return HTML
    return SVG if text.startswith(b"<") and b"<svg" in text else None
