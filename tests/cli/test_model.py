"""lowshot model convert|info: checkpoints of every format in, safetensors out; bad ones are refused."""

import json
import os
import pickle
import struct
import subprocess
import zipfile
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest

import checkpoints as ck

WRITERS = {"legacy": ck.write_legacy, "zip": ck.write_zip}
TYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int8": "I8", "uint8": "U8", "int16": "I16", "int32": "I32",
         "int64": "I64", "bool": "BOOL"}


def some_tensors(seed=1):
    random = np.random.default_rng(seed)
    base = random.normal(size=(6, 8)).astype(np.float32)
    tensors = {"module.a.weight": base, "module.a.transposed": base.T, "part": base[2:5, 1:7:2], "row again": base[0],
               "expanded": np.broadcast_to(base[:, :1], (6, 5)), "scalar": np.array(7), "empty": np.zeros((0, 4), np.float32),
               "axes": random.normal(size=(2, 3, 4, 5)).astype(np.float32).transpose(3, 0, 2, 1)}
    for kind in TYPES:
        tensors[kind] = (random.normal(size=(3, 5)) * 50).astype(kind)
    tensors["special"] = np.array([np.nan, -np.inf, -0.0, 1e-45], np.float32)
    return tensors


def bits(array):
    return np.ascontiguousarray(array).tobytes()


def require_same(written, expected):
    assert set(written) == set(expected)
    for name, array in expected.items():
        kind, values = written[name]
        assert kind == TYPES[str(array.dtype)] and values.shape == array.shape, name
        assert bits(values) == bits(array), name


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("writer", WRITERS)
def test_convert(lowshot, tmp_path, writer, protocol):
    tensors = some_tensors()
    WRITERS[writer](tmp_path / "in.pt", tensors, {"epoch": 59, "best": 0.25, "notes": ["a", (1, None), True, -5, 1 << 40]},
                    protocol=protocol)
    out = lowshot("model", "convert", tmp_path / "in.pt", "-o", tmp_path / "out.safetensors", "--json", tmp_path / "j").stdout
    written, metadata = ck.read_safetensors(tmp_path / "out.safetensors")
    require_same(written, tensors)
    assert metadata == {"format": "pt"}
    total = sum(a.nbytes for a in tensors.values())
    report = json.loads((tmp_path / "j").read_text())
    assert (report["tensors"], report["bytes"], report["halved"]) == (len(tensors), total, 0)
    assert f"{len(tensors)} tensors" in out
    # What was written reads back, to the same bytes.
    lowshot("model", "convert", tmp_path / "out.safetensors", "-o", tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "out.safetensors").read_bytes()


@pytest.mark.parametrize("writer", WRITERS)
def test_bfloat16(lowshot, tmp_path, writer):
    values = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32)
    WRITERS[writer](tmp_path / "in.pt", {"w": ck.Bfloat16(values)})
    lowshot("model", "convert", tmp_path / "in.pt", "-o", tmp_path / "out.safetensors")
    kind, written = ck.read_safetensors(tmp_path / "out.safetensors")[0]["w"]
    assert kind == "BF16" and bits(written) == bits((values.view(np.uint32) >> 16).astype(np.uint16))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("key", ["state", "state_dict", "model", None])
def test_where_tensors_are_looked_for(lowshot, tmp_path, writer, key):
    tensors = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "tied": None}
    tensors["tied"] = tensors["w"]
    optimiser = {"state": {0: {"exp_avg": np.ones(6, np.float32)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    WRITERS[writer](tmp_path / "in.pt", tensors, {"optimizer": optimiser, "epoch": 3}, key=key)
    lowshot("model", "convert", tmp_path / "in.pt", "-o", tmp_path / "out.safetensors")
    require_same(ck.read_safetensors(tmp_path / "out.safetensors")[0], tensors)


def test_a_modules_state_dict(lowshot, tmp_path):
    """An OrderedDict with the attribute _metadata: the pickle sets it with BUILD."""
    tensors = OrderedDict(w=np.arange(3, dtype=np.float32))
    tensors._metadata = OrderedDict({"": {"version": 1}})
    assert b"_metadata" in ck.pickled(tensors)[0]
    ck.write_zip(tmp_path / "in.pt", tensors, key=None)
    ck.write_zip(tmp_path / "in2.pt", {"state_dict": tensors}, key=None)
    for name in ("in.pt", "in2.pt"):
        lowshot("model", "convert", tmp_path / name, "-o", tmp_path / "out.safetensors")
        require_same(ck.read_safetensors(tmp_path / "out.safetensors")[0], tensors)


def test_half(lowshot, refused, tmp_path):
    values = np.array([1 / 3, 65504, 65519, -1e-7, np.inf, np.nan], np.float32)
    ck.write_zip(tmp_path / "in.pt", {"w": values, "n": np.array(5)})
    out = lowshot("model", "convert", "--half", tmp_path / "in.pt", "-o", tmp_path / "out.safetensors").stdout
    written = ck.read_safetensors(tmp_path / "out.safetensors")[0]
    with np.errstate(over="ignore"):
        require_same(written, {"w": values.astype(np.float16), "n": np.array(5)})
    assert "1 tensors were float32" in out
    ck.write_zip(tmp_path / "in.pt", {"w": np.array([0, 65520], np.float32)})
    refused(3, "tensor 'w' holds 65520", "model", "convert", "--half", tmp_path / "in.pt", "-o", tmp_path / "o.safetensors")


def test_info(lowshot, tmp_path):
    ck.write_legacy(tmp_path / "in.pt", {"a.weight": np.zeros((2, 3), np.float32), "n": np.array(4)})
    out = lowshot("model", "info", tmp_path / "in.pt", "--json", tmp_path / "info.json").stdout.splitlines()
    assert out[0].split() == "a.weight float32 2 x 3".split() and out[1].split() == "n int64 one value".split()
    assert out[2] == "2 tensors (1 float32, 1 int64), 32 B"
    info = json.loads((tmp_path / "info.json").read_text())
    assert info["bytes"] == 32 and info["tensors"][0] == {"name": "a.weight", "type": "float32", "shape": [2, 3], "bytes": 24}


@pytest.mark.parametrize("command", [["model", "convert"], ["model", "info"]], ids=" ".join)
def test_help(lowshot, command):
    out = lowshot(*command, "--help").stdout
    assert "Example" in out and "--json" in out


def test_the_originals_checkpoint(lowshot, full_data, tmp_path):
    path = full_data / "models/checkpoints/ResNet10/59.tar"
    lowshot("model", "convert", path, "-o", tmp_path / "out.safetensors")
    expected = ck.read_legacy(path)
    assert expected["epoch"] == 59 and len(expected["state"]) == 73
    require_same(ck.read_safetensors(tmp_path / "out.safetensors")[0], expected["state"])


# --- pickles that ask for more than tensors ---------------------------------------------------------------------------

def as_string(text):
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def top(value):
    """The pickle of a dict whose one value is made by these opcodes."""
    return b"\x80\x02}" + as_string("x") + value + b"s."


# 60 lists, each of which holds the one before twice: 2^60 values when written out.
LAUGHS = b"]q\x00" + b"".join(b"](" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(60))

PICKLES = {
    "a function of the system": (ck.pickled({"x": ck.Call(os.system, "echo here")})[0], r"asks for 'posix\.system'"),
    "eval": (ck.pickled({"x": ck.Call(eval, "1")})[0], r"'(builtins|__builtin__)\.eval'"),
    "a name that is not called": (top(b"csys\nexit\n"), r"'sys\.exit'"),
    "a name off the stack": (top(as_string("posix") + as_string("system") + b"\x93"), r"'posix\.system'"),
    "a class of one's own": (top(b"cargparse\nNamespace\n)\x81}b"), r"'argparse\.Namespace'"),
    "an allowed name and a dot": (top(b"ctorch\nFloatStorage.__init__\n"), r"'torch\.FloatStorage\.__init__'"),
    "a storage that is called": (top(b"ctorch\nFloatStorage\n)R"), r"calls torch\.FloatStorage"),
    "a string that is called": (top(as_string("f") + b")R"), r"calls the string 'f'"),
    "NEWOBJ": (top(b"ccollections\nOrderedDict\n)\x81"), r"NEWOBJ.*byte \d+"),
    "BUILD of a dict": (top(b"}}b"), r"BUILD on a dict"),
    "BUILD of a tensor": (ck.pickled({"x": np.ones(3)})[0][:-2] + b"}bs.", r"BUILD|stack|key"),
    "INST": (top(b"(iposix\nsystem\n"), "INST"),
    "OBJ": (top(b"(cposix\nsystem\no"), r"posix\.system"),
    "OBJ of an allowed name": (top(b"(ccollections\nOrderedDict\no"), "OBJ"),
    "EXT1": (top(b"\x82\x01"), "EXT1"),
    "EXT4": (top(b"\x84\x01\0\0\0"), "EXT4"),
    "PERSID": (top(b"Pabc\n"), "PERSID"),
    "no opcode": (top(b"\xff"), "0xff is no opcode"),
    "protocol 0": (pickle.dumps({"x": 1}, 0), "no pickle of protocol 2"),
    "protocol 9": (b"\x80\x09}.", "protocol 9"),
    "another persistent id": (top(b"(" + as_string("module") + b"NtQ"), "'module'"),
    "a list that contains itself": (top(b"]q\0h\0a"), "a list that contains itself"),
    "a dict that contains itself": (b"\x80\x02}q\0" + as_string("x") + b"h\0s.", "a dict that contains itself"),
    "two lists in a circle": (top(b"]q\0]q\1h\0aa"), "a list that contains itself"),
    "a circle through a tuple": (top(b"]q\0h\0\x85a"), "contains itself"),
    "billion laughs": (top(b"(" + LAUGHS + b"1h\x3c"), "no tensor"),
    "an empty memo": (top(b"h\7"), "value 7 of its memo"),
    "an empty stack": (b"\x80\x02.", "stack is empty"),
    "two values": (b"\x80\x02}}.", "more than one value"),
    "no mark": (top(b"t"), "lacks a mark"),
    "an odd dict": (b"\x80\x02}(" + as_string("x") + b"u.", "no value"),
    "a text beyond the end": (b"\x80\x02X\xff\xff\xff\x7f", "2147483647 bytes are expected"),
    "a text of 2^63 bytes": (b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f", "bytes are expected"),
    "a frame beyond the end": (b"\x80\x04\x95" + b"\xff" * 8 + b"}.", "bytes are expected"),
    "no dict": (b"\x80\x02].", "expected a dict of tensors and found a list"),
    "no tensors": (b"\x80\x02}.", "there is no tensor"),
    "a hundred thousand lists in another": (top(b"]" * 100000 + b"a" * 99999), "no tensor"),
}


@pytest.mark.parametrize("format", ["legacy", "zip"])
@pytest.mark.parametrize("case", PICKLES)
def test_pickles_that_are_refused(refused, tmp_path, format, case):
    content, pattern = PICKLES[case]
    if format == "legacy":
        (tmp_path / "in.pt").write_bytes(ck.legacy_bytes(content, []))
    else:
        ck.write_members(tmp_path / "in.pt", ck.zip_members(content, []))
    done = refused(3, pattern, "model", "convert", tmp_path / "in.pt", "-o", tmp_path / "out.safetensors")
    assert "in.pt, byte " in done.stderr and done.stdout == "" and "here" not in done.stdout


# --- tensors that are not in the file ---------------------------------------------------------------------------------

REBUILD, FLOATS = ck.Name("torch._utils", "_rebuild_tensor_v2"), "FloatStorage"


def tensor(shape, strides, offset=0, kind=FLOATS, claimed=12):
    """A tensor whose storage has 12 values and is said to have `claimed`."""
    storage = ck.Storage("0", kind, SimpleNamespace(size=claimed))
    return ck.Call(REBUILD, storage, offset, shape, strides, False, OrderedDict())


TENSORS = {
    "beyond the storage": (tensor((13,), (1,)), "goes beyond its storage of 12"),
    "offset beyond the storage": (tensor((12,), (1,), offset=1), "goes beyond its storage"),
    "strides beyond the storage": (tensor((3, 3), (5, 1)), r"3 x 3, strides 5, 1.*goes beyond"),
    "2^62 times 2^62": (tensor((1 << 62, 1 << 62), (1, 1)), "goes beyond"),
    "an offset that wraps around": (tensor((2,), (1,), offset=(1 << 63) - 1), "goes beyond"),
    "strides that wrap around": (tensor((3,), (1 << 62,)), "goes beyond"),
    "negative stride": (tensor((3,), (-1,)), "-1, expected a count"),
    "negative size": (tensor((-3,), (1,)), "-3, expected a count"),
    "negative offset": (tensor((3,), (1,), offset=-1), "-1, expected a count"),
    "two sizes, one stride": (tensor((3, 4), (1,)), "2 sizes and 1 strides"),
    "sizes that are a list": (tensor([3], (1,)), "a list, expected a tuple"),
    "sizes that are text": (tensor(("a",), (1,)), "'a', expected a count"),
    "65 dimensions": (tensor((1,) * 65, (1,) * 65), "65 dimensions"),
    "expanded a million times": (tensor((1000, 1000), (0, 0)), "more than 8 times the file"),
    "expanded beyond 64 bits": (tensor((1 << 40, 1 << 40), (0, 0)), "more than 8 times the file"),
    "more values claimed than there are": (tensor((13,), (1,), claimed=13), "expect|56 are left"),
    "2^62 values claimed": (tensor((13,), (1,), claimed=1 << 62), "said to hold 4611686018427387904 values"),
    "a type that is none": (tensor((3,), (1,), kind="ComplexFloatStorage"), r"torch\.ComplexFloatStorage"),
}


@pytest.mark.parametrize("format", ["legacy", "zip"])
@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_do_not_fit(refused, tmp_path, format, case):
    value, pattern = TENSORS[case]
    content, _ = ck.pickled({"w": value}, legacy=format == "legacy")
    storage = ck.Storage("0", FLOATS, np.arange(12, dtype=np.float32))
    if format == "legacy":
        (tmp_path / "in.pt").write_bytes(ck.legacy_bytes(content, [storage]))
    else:
        ck.write_members(tmp_path / "in.pt", ck.zip_members(content, [storage]))
    refused(3, pattern, "model", "convert", tmp_path / "in.pt", "-o", tmp_path / "out.safetensors")


@pytest.mark.parametrize("writer", WRITERS)
def test_nested_dicts(refused, tmp_path, writer):
    one = np.ones(3, np.float32)
    for value in ({"net": {"w": one}, "ema": {"w": one}}, {"state": {"net": {"w": one}, "w": one}}):
        WRITERS[writer](tmp_path / "in.pt", value, key=None)
        refused(3, "the string 'net' is a dict of tensors itself.*save that dict alone", "model", "info", tmp_path / "in.pt")


@pytest.mark.parametrize("writer", WRITERS)
def test_names_that_are_none(refused, tmp_path, writer):
    WRITERS[writer](tmp_path / "in.pt", {7: np.ones(3)})
    refused(3, "name must be text and is the number 7", "model", "info", tmp_path / "in.pt")
    WRITERS[writer](tmp_path / "in.pt", {"a\ud800": np.ones(3)})
    refused(3, "name must be text", "model", "info", tmp_path / "in.pt")


# --- the stream format ------------------------------------------------------------------------------------------------

def legacy_case(how):
    content, storages = ck.pickled({"a": np.arange(5, dtype=np.float32), "b": np.arange(3)})
    return how(content, storages)


def renumbered(content, storages):
    whole = ck.legacy_bytes(content, storages)
    at = whole.rindex(struct.pack("<q", 5))
    return whole[:at] + struct.pack("<q", 4) + whole[at + 8:]


LEGACY = {
    "big-endian": (lambda c, s: ck.legacy_bytes(c, s, system=ck.SYSTEM | {"little_endian": False}), "big-endian"),
    "no byte order": (lambda c, s: ck.legacy_bytes(c, s, system={}), "little-endian"),
    "long of 8 bytes": (lambda c, s: ck.legacy_bytes(c, s, system=ck.SYSTEM | {"type_sizes": {"short": 2, "int": 4, "long": 8}}),
                        "long"),
    "another version": (lambda c, s: ck.legacy_bytes(c, s, version=1002), "1002"),
    "another number": (lambda c, s: pickle.dumps(123456789012345678901234, 2) + c, "not that of a PyTorch checkpoint"),
    "a plain pickle": (lambda c, s: pickle.dumps({"a": 1}, 2), "not that of a PyTorch checkpoint"),
    "a key twice": (lambda c, s: ck.legacy_bytes(c, s, keys=["0", "0"]), "'0' twice"),
    "a key too many": (lambda c, s: ck.legacy_bytes(c, s, keys=["0", "1", "2"]), "'2', which no tensor uses"),
    "a key too few": (lambda c, s: ck.legacy_bytes(c, s, keys=["0"]), "1 storages, its tensors use 2"),
    "a key that is a number": (lambda c, s: ck.legacy_bytes(c, s, keys=[0, 1]), "the number 0"),
    "keys that are no list": (lambda c, s: ck.legacy_bytes(c, s, keys=("0", "1")), "list of storages"),
    "keys the other way round": (lambda c, s: ck.legacy_bytes(c, s, keys=["1", "0"]), "holds 5 values, its tensors expect 3"),
    "another number of values": (renumbered, "holds 4 values, its tensors expect 5"),
    "bytes behind the end": (lambda c, s: ck.legacy_bytes(c, s) + b"\0", "1 bytes more"),
}


@pytest.mark.parametrize("case", LEGACY)
def test_legacy_files_that_are_wrong(refused, tmp_path, case):
    how, pattern = LEGACY[case]
    (tmp_path / "in.pt").write_bytes(legacy_case(how))
    refused(3, pattern + r".*in\.pt, byte", "model", "convert", tmp_path / "in.pt", "-o", tmp_path / "out.safetensors")


def test_a_storage_said_to_be_of_two_kinds(refused, tmp_path):
    one, two = (ck.Storage("0", kind, np.arange(5, dtype=np.float32)) for kind in ("FloatStorage", "IntStorage"))
    calls = [ck.Call(REBUILD, s, 0, (5,), (1,), False, OrderedDict()) for s in (one, two)]
    (tmp_path / "in.pt").write_bytes(ck.legacy_bytes(ck.pickled({"a": calls[0], "b": calls[1]})[0], [one]))
    refused(3, "storage '0' is said to hold 5 float32 and 5 int32", "model", "info", tmp_path / "in.pt")


# --- the zip format ---------------------------------------------------------------------------------------------------

TENSORS_IN_ZIP = {"a": np.arange(50, dtype=np.float32), "b": np.arange(3)}


def members(change=None, **options):
    result = ck.zip_members(*ck.pickled(TENSORS_IN_ZIP, legacy=False), **options)
    if change:
        change(result)
    return result


def zip_of(path, change=None, **options):
    ck.write_members(path, members(change), **options)


def patched(path, marker, at, value, last=True):
    """Writes `value` so many bytes behind the last (first) place of the marker."""
    zip_of(path)
    content = bytearray(path.read_bytes())
    begin = (content.rindex if last else content.index)(marker) + at
    content[begin:begin + len(value)] = value
    path.write_bytes(content)


def twice(path):
    with pytest.warns(UserWarning):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in list(members().items()) + [("archive/data/0", b"\0" * 200)]:
                archive.writestr(zipfile.ZipInfo(name), content)


ENTRY, END, LOCAL = b"PK\1\2", b"PK\5\6", b"PK\3\4"
ZIP = {
    "compressed": (lambda p: zip_of(p, compression=zipfile.ZIP_DEFLATED), "compressed"),
    "a storage is missing": (lambda p: zip_of(p, lambda m: m.pop("archive/data/0")), "no member 'archive/data/0'"),
    "a storage is short": (lambda p: zip_of(p, lambda m: m.update({"archive/data/0": b"\0" * 199})), "199 bytes.*expect 200"),
    "a storage is long": (lambda p: zip_of(p, lambda m: m.update({"archive/data/0": b"\0" * 201})), "201 bytes.*expect 200"),
    "a member twice": (twice, "two members 'archive/data/0'"),
    "no data.pkl": (lambda p: zip_of(p, lambda m: m.pop("archive/data.pkl")), "no PyTorch checkpoint"),
    "two data.pkl": (lambda p: zip_of(p, lambda m: m.update({"b/data.pkl": b""})), "two checkpoints"),
    "big-endian": (lambda p: zip_of(p, lambda m: m.update({"archive/byteorder": b"big"})), "byte order is 'big'"),
    "no version": (lambda p: zip_of(p, lambda m: m.pop("archive/version")), "version"),
    "TorchScript": (lambda p: zip_of(p, lambda m: m.update({"archive/constants.pkl": b""})), "TorchScript"),
    "a name out of the folder": (lambda p: zip_of(p, lambda m: m.update({"archive/../../x": b""})), r"'archive/\.\./\.\./x'"),
    "an absolute name": (lambda p: zip_of(p, lambda m: m.update({"/etc/x": b""})), "'/etc/x'"),
    "a name with a backslash": (lambda p: zip_of(p, lambda m: m.update({"..\\x": b""})), "name"),
    "4 GiB claimed": (lambda p: patched(p, ENTRY, 20, b"\xfe\xff\xff\xff" * 2), "4294967294 bytes"),
    "4 GiB claimed, unpacked only": (lambda p: patched(p, ENTRY, 24, b"\xfe\xff\xff\xff"), "4294967294 bytes"),
    "zip64 sizes without the field": (lambda p: patched(p, ENTRY, 20, b"\xff" * 8), "4294967295 bytes"),
    "encrypted": (lambda p: patched(p, ENTRY, 8, b"\1\0"), "encrypted"),
    "no directory": (lambda p: (zip_of(p), p.write_bytes(p.read_bytes()[:-22])), "directory.*missing"),
    "entries without their mark": (lambda p: patched(p, ENTRY, 0, b"XX"), "member 4"),
    "more entries than there are": (lambda p: patched(p, END, 8, b"\xff\xfe\xff\xfe"), "65279 members"),
    "one entry more": (lambda p: patched(p, END, 8, b"\6\0\6\0"), "bytes are expected"),
    "a directory beyond the file": (lambda p: patched(p, END, 16, b"\xff\xff\xff\x7f"), "outside its place"),
    "a directory too long": (lambda p: patched(p, END, 12, b"\xff\xff\xff\x7f"), "outside its place"),
    "several parts": (lambda p: patched(p, END, 4, b"\1\0"), "one part of several"),
    "a member beyond the file": (lambda p: patched(p, ENTRY, 42, b"\xff\xff\xff\x7f"), "do not fit"),
    "two members at one place": (lambda p: patched(p, ENTRY, 42, b"\0\0\0\0"), "do not fit|header of the member"),
    "another member's header": (lambda p: patched(p, LOCAL, 30, b"x"), "header of the member"),
    "a header without its mark": (lambda p: patched(p, LOCAL, 0, b"XX"), "header of the member"),
    "a value changed": (lambda p: patched(p, struct.pack("<f", 7), 0, b"\1"), "checksum"),
}


@pytest.mark.parametrize("case", ZIP)
def test_zip_files_that_are_wrong(refused, tmp_path, case):
    how, pattern = ZIP[case]
    how(tmp_path / "in.pt")
    refused(3, pattern + r".*in\.pt", "model", "convert", tmp_path / "in.pt", "-o", tmp_path / "out.safetensors")


def test_zip64(lowshot, tmp_path):
    """Sizes and offsets in 64 bits, as PyTorch writes files of more than 4 GiB; here a small one in that form."""
    contents = members()
    with zipfile.ZipFile(tmp_path / "in.pt", "w") as archive:
        for name, content in contents.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                member.write(content)
    plain = bytearray((tmp_path / "in.pt").read_bytes())
    # The directory again, every number moved to its 64-bit place.
    with zipfile.ZipFile(tmp_path / "in.pt") as archive:
        infos = archive.infolist()
    begin = plain.index(ENTRY)
    directory = b""
    for info in infos:
        extra = struct.pack("<HHQQQ", 1, 24, info.file_size, info.compress_size, info.header_offset)
        directory += struct.pack("<4s6HIIIHHHHHII", ENTRY, 45, 45, 0, 0, 0, 0, info.CRC, 0xFFFFFFFF, 0xFFFFFFFF,
                                 len(info.filename), len(extra), 0, 0, 0, 0, 0xFFFFFFFF) + info.filename.encode() + extra
    end64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, len(infos), len(infos), len(directory), begin)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, begin + len(directory), 1)
    end = struct.pack("<4s4HIIH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "in.pt").write_bytes(bytes(plain[:begin]) + directory + end64 + locator + end)
    lowshot("model", "convert", tmp_path / "in.pt", "-o", tmp_path / "out.safetensors")
    require_same(ck.read_safetensors(tmp_path / "out.safetensors")[0], TENSORS_IN_ZIP)


# --- any format -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("format", ["legacy", "zip", "safetensors"])
def test_cut_anywhere(program, lowshot, tmp_path, format):
    """Every 37th length, and those near the end: a sentence each time, and no output."""
    tensors = {"a": np.arange(20, dtype=np.float32), "b": np.arange(3)}
    WRITERS.get(format, ck.write_zip)(tmp_path / "in.pt", tensors)
    if format == "safetensors":
        lowshot("model", "convert", tmp_path / "in.pt", "-o", tmp_path / "in.safetensors")
        (tmp_path / "in.safetensors").rename(tmp_path / "in.pt")
    content = (tmp_path / "in.pt").read_bytes()
    for length in [*range(0, len(content), 37), *range(len(content) - 9, len(content))]:
        (tmp_path / "cut.pt").write_bytes(content[:length])
        done = subprocess.run([program, "model", "convert", tmp_path / "cut.pt", "-o", tmp_path / "out"], capture_output=True,
                              text=True)
        assert done.returncode == 3 and done.stderr.startswith("lowshot: ") and done.stderr.count("\n") == 1, (length, done)
        assert not (tmp_path / "out").exists()


OTHER_FILES = {
    "tar": (b"sys_info" + b"\0" * 249 + b"ustar\0" + b"\0" * 300, "before 0.1.10"),
    "empty": (b"", "another kind of file"),
    "text": (b"weights", "another kind of file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "another kind of file"),
}


@pytest.mark.parametrize("case", OTHER_FILES)
def test_other_files(refused, tmp_path, case):
    content, pattern = OTHER_FILES[case]
    (tmp_path / "in.pt").write_bytes(content)
    refused(3, pattern + r".*in\.pt", "model", "info", tmp_path / "in.pt")


def entry(dtype="F32", shape=(2,), begin=0, end=8, **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]} | more


SAFETENSORS = {
    "a length beyond the file": (struct.pack("<Q", 1000) + b"{}", "said to have 1000 bytes"),
    "a length of 2^63": (struct.pack("<Q", 1 << 63) + b"{}", "said to have"),
    "malformed JSON": (ck.safetensors_bytes('{"a": '), "malformed"),
    "a type that is a number": (ck.safetensors_bytes({"a": entry(dtype=4)}, b"\0" * 8), "dtype"),
    "F8_E4M3": (ck.safetensors_bytes({"a": entry("F8_E4M3", (8,))}, b"\0" * 8), "'F8_E4M3', which is not read"),
    "F8_E5M2": (ck.safetensors_bytes({"a": entry("F8_E5M2", (8,))}, b"\0" * 8), "'F8_E5M2', which is not read"),
    "U64": (ck.safetensors_bytes({"a": entry("U64", (1,))}, b"\0" * 8), "'U64', which is not read"),
    "an unknown type": (ck.safetensors_bytes({"a": entry("float32")}, b"\0" * 8), "'float32', which is not read"),
    "a negative size": (ck.safetensors_bytes({"a": entry(shape=(-2,))}, b"\0" * 8), "entry 0 is none"),
    "a broken size": (ck.safetensors_bytes({"a": entry(shape=(2.0,))}, b"\0" * 8), "entry 0 is none"),
    "a size beyond 64 bits": (ck.safetensors_bytes({"a": entry(shape=(1 << 70,))}, b"\0" * 8), "entry 0 is none"),
    "sizes that wrap around": (ck.safetensors_bytes({"a": entry(shape=(1 << 63, 2, 2))}, b"\0" * 8), "does not fill"),
    "another size": (ck.safetensors_bytes({"a": entry(shape=(3,))}, b"\0" * 8), "3 float32 does not fill bytes 0 to 8"),
    "offsets the other way": (ck.safetensors_bytes({"a": entry(begin=8, end=0)}, b"\0" * 8), "data_offsets"),
    "three offsets": (ck.safetensors_bytes({"a": entry() | {"data_offsets": [0, 8, 8]}}, b"\0" * 8), "data_offsets"),
    "offsets beyond the file": (ck.safetensors_bytes({"a": entry(begin=0, end=8)}, b"\0" * 7), "fill 8 bytes, 7 are there"),
    "bytes behind the end": (ck.safetensors_bytes({"a": entry()}, b"\0" * 9), "fill 8 bytes, 9 are there"),
    "a gap": (ck.safetensors_bytes({"a": entry(), "b": entry(begin=9, end=17)}, b"\0" * 17), "begins at byte 9.*expected 8"),
    "a gap at the start": (ck.safetensors_bytes({"a": entry(begin=1, end=9)}, b"\0" * 9), "begins at byte 1.*expected 0"),
    "an overlap": (ck.safetensors_bytes({"a": entry(), "b": entry(begin=4, end=12)}, b"\0" * 12), "begins at byte 4.*expected 8"),
    "a tensor twice": (ck.safetensors_bytes('{"a": %s, "a": %s}' % ((json.dumps(entry()),) * 2), b"\0" * 8), "key 'a' twice"),
    "a key twice": (ck.safetensors_bytes('{"a": {"dtype": "F32", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}',
                                         b"\0" * 8), "key 'dtype' twice"),
    "a key too many": (ck.safetensors_bytes({"a": entry(offset=3)}, b"\0" * 8), "unknown key 'offset'"),
    "a key too few": (ck.safetensors_bytes({"a": {"dtype": "F32", "shape": [2]}}, b"\0" * 8), "data_offsets"),
    "a tensor that is a list": (ck.safetensors_bytes({"a": [1]}), "described by an object"),
    "metadata that is a number": (ck.safetensors_bytes({"__metadata__": {"a": 1}}), "must be a string"),
    "metadata that is a text": (ck.safetensors_bytes({"__metadata__": "a"}), "must be an object"),
    "a hundred thousand brackets": (ck.safetensors_bytes('{"a": ' + "[" * 100000), "nested deeper"),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_safetensors_that_lie(refused, tmp_path, case):
    content, pattern = SAFETENSORS[case]
    (tmp_path / "in.safetensors").write_bytes(content)
    refused(3, pattern + r".*in\.safetensors, byte", "model", "convert", tmp_path / "in.safetensors", "-o", tmp_path / "out")


def test_a_result_that_cannot_be_written(refused, tmp_path):
    ck.write_zip(tmp_path / "in.pt", {"w": np.ones(3)})
    refused(4, "folder of the result does not exist", "model", "convert", tmp_path / "in.pt", "-o", tmp_path / "no/out")
    refused(2, "--output", "model", "convert", tmp_path / "in.pt")
    refused(3, "cannot open", "model", "info", tmp_path / "absent.pt")
