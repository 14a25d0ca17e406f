"""Zip archives with one flaw each, cut and pasted from an honest one of three records."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

FLAWS: dict[str, tuple[Callable[[], bytes], str]] = {}
LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def flaw(expected: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Register a bad archive with a pattern of what must be said about it."""

    def register(build: Callable[[], bytes]) -> Callable[[], bytes]:
        FLAWS[build.__name__] = (build, expected)
        return build

    return register


def honest(names: tuple[str, ...] = ("m/a", "m/b", "m/c"), content: bytes = b"abc" * 9) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            form = zipfile.ZIP_DEFLATED if name == "m/b" else zipfile.ZIP_STORED
            file.writestr(zipfile.ZipInfo(name), content, form)
    return out.getvalue()


def streamed() -> bytes:
    """Sizes behind each record, as PyTorch writes them."""

    class Pipe(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, more: bytes) -> int:  # type: ignore[override]
            self.data += bytes(more)
            return len(more)

    out = Pipe()
    with zipfile.ZipFile(out, "w") as file:  # type: ignore[type-var]
        for name in ("m/a", "m/b"):
            file.writestr(zipfile.ZipInfo(name), b"abc" * 9)
    return out.data


def parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Records, directory, end."""
    start, end = data.index(CENTRAL), data.index(END)
    return data[:start], data[start:end], data[end:]


def ended(records: bytes, directory: bytes, count: int) -> bytes:
    end = struct.pack("<4sHHHHIIH", END, 0, 0, count, count, len(directory), len(records), 0)
    return records + directory + end


def changed(at: int, value: bytes, *, of: bytes = CENTRAL) -> bytes:
    """The honest one with bytes from `at` on, in the first header of that kind, replaced."""
    data = bytearray(honest())
    place = data.index(of) + at
    data[place : place + len(value)] = value
    return bytes(data)


@flaw("truncated or damaged, or something follows")
def truncated() -> bytes:
    return honest()[:-3]


@flaw("truncated or damaged, or something follows")
def bytes_behind_the_end() -> bytes:
    return honest() + b"more"


@flaw("not where it must be")
def a_comment_that_holds_another_end() -> bytes:
    data = honest()
    end = parts(data)[2]
    return data[:-2] + struct.pack("<H", len(end)) + end


@flaw("not where it must be")
def bytes_before_the_first_record() -> bytes:
    return b"MZ program" + honest()


@flaw("something precedes the first record")
def bytes_before_the_first_record_with_true_offsets() -> bytes:
    records, directory, _ = parts(honest(("m/a",)))
    moved = directory[:42] + struct.pack("<I", 4) + directory[46:]
    return ended(b"MZ!!" + records, moved, 1)


@flaw("overlaps another record, or something lies behind")
def record_that_the_directory_does_not_list() -> bytes:
    records, directory, _ = parts(honest(("m/a", "m/hidden", "m/c")))
    first, _, third = (CENTRAL + one for one in directory.split(CENTRAL)[1:])
    return ended(records, first + third, 2)


@flaw("overlaps another record, or something lies behind")
def two_entries_for_the_same_bytes() -> bytes:
    records, directory, _ = parts(honest(("m/a",)))
    return ended(records, directory + directory.replace(b"m/a", b"m/x"), 2)


@flaw("two records have one name")
def two_records_of_one_name() -> bytes:
    return honest(("m/a", "m/x")).replace(b"m/x", b"m/a")


@flaw("two records have one name")
def two_records_whose_names_differ_in_letter_case() -> bytes:
    return honest(("m/a", "m/A"))


@flaw("header that disagrees with the directory")
def another_name_in_the_directory() -> bytes:
    return changed(46, b"m/x")


@flaw("header that disagrees with the directory")
def another_size_in_the_directory() -> bytes:
    return changed(20, struct.pack("<II", 26, 26))


@flaw("header that disagrees with the directory")
def another_checksum_in_the_directory() -> bytes:
    return changed(16, b"\1\2\3\4")


@flaw("is encrypted or packed in an unusual way")
def encrypted() -> bytes:
    return changed(8, b"\1")


@flaw("packed in a way that is not allowed")
def packed_by_another_method() -> bytes:
    return changed(10, struct.pack("<H", zipfile.ZIP_LZMA))


@flaw("packed in a way that is not allowed")
def stored_with_two_sizes() -> bytes:
    return changed(20, struct.pack("<I", 26))


@flaw("is a link, or has a comment")
def symbolic_link() -> bytes:
    return changed(38, struct.pack("<I", 0o120777 << 16))


@flaw("a record is called b'../a'")
def name_that_leads_out() -> bytes:
    return honest(("../a",))


@flaw("a record is called b'/etc/passwd'")
def absolute_name() -> bytes:
    return honest(("/etc/passwd",))


@flaw("a record is called b'm/'")
def folder() -> bytes:
    return honest(("m/",), b"")


@flaw(r"a record is called b'm\\\\a'")
def name_of_another_system() -> bytes:
    return honest(("m\\a",))


@flaw("'m/b' does not unpack to the 27 bytes it declares")
def unpacks_into_more_than_it_declares() -> bytes:
    data = honest(("m/b",), content=bytes(100_000))
    size, checksum = struct.pack("<I", 100_000), struct.pack("<I", zlib.crc32(bytes(100_000)))
    data = data.replace(size, struct.pack("<I", 27))
    return data.replace(checksum, struct.pack("<I", zlib.crc32(bytes(27))))


@flaw("'m/a' is damaged")
def damaged_content() -> bytes:
    return honest().replace(b"abcabc", b"abcabd", 1)


@flaw("its directory holds more than it lists")
def directory_with_more_than_it_counts() -> bytes:
    records, directory, _ = parts(honest())
    return ended(records, directory, 2)


@flaw("its directory is truncated")
def directory_with_less_than_it_counts() -> bytes:
    records, directory, _ = parts(honest())
    return ended(records, directory, 4)


@flaw("parts or a comment")
def a_comment() -> bytes:
    return honest()[:-2] + struct.pack("<H", 1)


@flaw("zip64 directory end is not where it must be")
def zip64_end_elsewhere() -> bytes:
    records, directory, end = parts(honest())
    return records + directory + struct.pack("<4sIQI", b"PK\6\7", 0, 3, 1) + end


@flaw("it holds nothing")
def nothing_in_it() -> bytes:
    return honest(())
