"""Checkpoints as PyTorch writes them, made without PyTorch: both formats, from dicts of numpy arrays.

Arrays that are views of one array share its storage, and keep their strides: `base[2:]`, `base.T`,
`np.broadcast_to(base, ...)`. A dict may hold arrays at any depth. `read_legacy` and `read_safetensors` are the tests'
own readers."""

import io
import json
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "int64": "LongStorage",
            "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage", "uint8": "ByteStorage",
            "bool": "BoolStorage"}


class Name:
    """A class or function that the pickle names and that need not be there."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        raise TypeError("only its name is used")


class Bfloat16:
    """float32 values, stored as their upper halves."""

    def __init__(self, values):
        self.bits = (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


class Call:
    """A call that loading the pickle asks for."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Storage:
    def __init__(self, key, type_name, array):
        self.key, self.type_name, self.array = key, type_name, array

    def bytes(self):
        return self.array.tobytes()


class Pickler(pickle._Pickler):
    """Python's own; arrays become what PyTorch makes of tensors, names need no module behind them."""

    def __init__(self, file, protocol, legacy):
        super().__init__(file, protocol)
        self.storages, self.legacy, self.names, self.kept = {}, legacy, {}, []

    def name(self, module, name):  # the same object each time, so that the pickle's memo knows it
        return self.names.setdefault((module, name), Name(module, name))

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Name):
            if id(obj) in self.memo:
                return self.write(self.get(self.memo[id(obj)][0]))
            if self.proto >= 4:
                pickle._Pickler.save(self, obj.module)
                pickle._Pickler.save(self, obj.name)
                self.write(pickle.STACK_GLOBAL)
            else:
                self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
            return self.memoize(obj)
        return super().save(obj, save_persistent_id)

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        words = ("storage", self.name("torch", obj.type_name), obj.key, "cpu", obj.array.size)
        return words + ((None,) if self.legacy else ())

    def reducer_override(self, obj):
        if not isinstance(obj, (np.ndarray, Bfloat16)):
            return NotImplemented
        type_name = "BFloat16Storage" if isinstance(obj, Bfloat16) else STORAGES[str(obj.dtype)]
        array = obj.bits if isinstance(obj, Bfloat16) else obj
        root = array
        while isinstance(root.base, np.ndarray) and root.base.dtype == array.dtype:
            root = root.base
        if not root.flags.c_contiguous:
            root = array = np.ascontiguousarray(array)
        self.kept.append(root)  # so that no other array gets its address, which is the key
        storage = self.storages.setdefault(id(root), Storage(str(len(self.storages)), type_name, root.reshape(-1)))
        offset = (array.__array_interface__["data"][0] - root.__array_interface__["data"][0]) // array.itemsize
        strides = tuple(s // array.itemsize for s in array.strides)
        return self.name("torch._utils", "_rebuild_tensor_v2"), (storage, offset, array.shape, strides, False, OrderedDict())


def pickled(obj, protocol=2, legacy=True):
    """The pickle of the object and its storages."""
    out = io.BytesIO()
    pickler = Pickler(out, protocol, legacy)
    pickler.dump(obj)
    return out.getvalue(), list(pickler.storages.values())


def top_of(tensors, extra, key):
    """What is saved: the tensors below `key`, with what stands beside them; without key, both in one dict."""
    return tensors | (extra or {}) if key is None else {**(extra or {}), key: tensors}


def legacy_bytes(object_pickle, storages, system=SYSTEM, version=1001, protocol=2, keys=None):
    numbers = [pickle.dumps(value, protocol) for value in (MAGIC, version, system)]
    keys = [s.key for s in storages] if keys is None else keys
    values = b"".join(struct.pack("<q", s.array.size) + s.bytes() for s in storages)
    return b"".join(numbers) + object_pickle + pickle.dumps(keys, protocol) + values


def write_legacy(path, tensors, extra=None, key="state", protocol=2):
    path.write_bytes(legacy_bytes(*pickled(top_of(tensors, extra, key), protocol), protocol=protocol))


def zip_members(object_pickle, storages, folder="archive"):
    """Names and contents in PyTorch's order."""
    return {f"{folder}/data.pkl": object_pickle, f"{folder}/byteorder": b"little",
            **{f"{folder}/data/{s.key}": s.bytes() for s in storages}, f"{folder}/version": b"3\n"}


def write_members(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)


def write_zip(path, tensors, extra=None, key="state", protocol=2, folder="archive"):
    write_members(path, zip_members(*pickled(top_of(tensors, extra, key), protocol, legacy=False), folder))


# --- readers ----------------------------------------------------------------------------------------------------------

def read_legacy(path):
    """The object of a checkpoint in the stream format, with arrays for tensors, through Python's own unpickler."""
    types = {name: np.dtype(kind) for kind, name in STORAGES.items()}
    waiting = []  # tensors whose values come behind the pickle

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                def rebuild(storage, offset, shape, strides, *_):
                    tensor = np.empty(shape, types[storage[1]])
                    waiting.append((tensor, storage[2], offset, strides))
                    return tensor
                return rebuild
            return OrderedDict if name == "OrderedDict" else name

        def persistent_load(self, pid):
            return pid

    with open(path, "rb") as file:
        assert pickle.load(file) == MAGIC and pickle.load(file) == 1001
        pickle.load(file)
        top = Unpickler(file).load()
        kinds = {key: tensor.dtype for tensor, key, _, _ in waiting}
        values = {}
        for key in pickle.load(file):
            count = struct.unpack("<q", file.read(8))[0]
            values[key] = np.frombuffer(file.read(count * kinds[key].itemsize), kinds[key])
        assert not file.read()
    for tensor, key, offset, strides in waiting:
        bytes_apart = [s * tensor.itemsize for s in strides]
        tensor[...] = np.lib.stride_tricks.as_strided(values[key][offset:], tensor.shape, bytes_apart)
    return top


def read_safetensors(path):
    """name -> (type, array); bfloat16 as uint16. And the metadata."""
    types = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8", "I8": "i1", "U8": "u1", "I16": "<i2", "I32": "<i4",
             "I64": "<i8", "BOOL": "?"}
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = (entry["dtype"], np.frombuffer(content[begin:end], types[entry["dtype"]]).reshape(entry["shape"]))
    return tensors, metadata


def safetensors_bytes(header, values=b""):
    """header: a dict or the JSON's text."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text)) + text + values
