"""lowshot extract with ONNX models, beside the onnx package's reference evaluator."""

import json
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from PIL import Image

SIDE = 32
MEAN, DEVIATION = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
IMAGES = 11


@pytest.fixture(scope="session")
def built_in(lowshot, tmp_path_factory):
    path = tmp_path_factory.mktemp("info") / "info.json"
    out = lowshot("info", "--json", path).stdout
    onnx_info = json.loads(path.read_text())["onnx"]
    assert (onnx_info["library"] or "not compiled in") in out
    return onnx_info["compiled_in"]


@pytest.fixture(autouse=True)
def skip_without_onnx(request, built_in):
    if not built_in and request.node.originalname != "test_a_build_without_onnx":
        pytest.skip("this build has no ONNX (OpenVINO was not found)")


@pytest.fixture
def pixels(tmp_path):
    """Images of the crop's size, so that nothing is resized, in photos/x; their values."""
    values = np.random.default_rng(5).integers(0, 256, (IMAGES, SIDE, SIDE, 3)).astype(np.uint8)
    (tmp_path / "photos/x").mkdir(parents=True)
    for i, image in enumerate(values):
        Image.fromarray(image).save(tmp_path / f"photos/x/{i:02}.png")
    return values


@pytest.fixture
def arguments(tmp_path, pixels):
    """arguments(model, ...): of `lowshot extract` with the model (its protobuf, or bytes)."""

    def make(model, *more, side=SIDE, yaml="", mean=MEAN, deviation=DEVIATION, out="out.npy"):
        content = model if isinstance(model, bytes) else model.SerializeToString()
        (tmp_path / "m.onnx").write_bytes(content)
        (tmp_path / "c.yaml").write_text(
            "transform_params:\n  transform_list: [Scale, CenterCrop, ToTensor, Normalize]\n"
            f"  scale: {side}\n  image_size: {side}\n  normalize_param: {{mean: {mean}, std: {deviation}}}\n{yaml}")
        return ["extract", tmp_path / "photos", "--cfg", tmp_path / "c.yaml", "--modelfile", tmp_path / "m.onnx",
                "--outfile", tmp_path / out, *more]

    return make


@pytest.fixture
def extract(lowshot, tmp_path, arguments):
    """extract(model, ...): the descriptors."""

    def run(model, *more, **options):
        lowshot(*arguments(model, *more, **options))
        return np.load(tmp_path / options.get("out", "out.npy"))

    return run


def normalised(pixels, mean=MEAN, deviation=DEVIATION):
    return ((pixels / 255.0 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)


def reference(model, pixels, output=None):
    """The output, image by image."""
    evaluator = ReferenceEvaluator(model)
    name = model.graph.input[0].name
    wanted = None if output is None else [output]
    return np.concatenate([evaluator.run(wanted, {name: image[None]})[0] for image in normalised(pixels)])


def require_close(found, expected):
    assert found.dtype == np.float32 and found.shape == expected.shape
    error = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert error.max() < 1e-4, error
    # Descriptors differ from image to image: a swapped row would not pass.
    assert np.linalg.norm(expected[0] - expected[1]) > 1e-2 * np.linalg.norm(expected[0])


def model_of(nodes, weights, outputs, batch="N", height=SIDE, width=SIDE, kind=TensorProto.FLOAT, input_shape="images",
             inputs=()):
    """outputs: name -> shape (or name -> (type, shape))."""
    shape = [batch, 3, height, width] if input_shape == "images" else input_shape
    ports = [helper.make_tensor_value_info(name, *(s if isinstance(s, tuple) else (kind, s))) for name, s in outputs.items()]
    first = [helper.make_tensor_value_info("image", kind, shape), *inputs]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", first, ports, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def convolutions(dtype=np.float32):
    """conv, relu, conv: 3 -> 8 -> 5 channels, a map of a quarter of the side; named `map`."""
    random = np.random.default_rng(1)
    weights = {"w1": random.normal(size=(8, 3, 3, 3)) / 5, "b1": random.normal(size=8), "w2": random.normal(size=(5, 8, 3, 3)) / 8,
               "b2": random.normal(size=5)}
    nodes = [helper.make_node("Conv", ["image", "w1", "b1"], ["a"], pads=[1] * 4, strides=[2, 2]),
             helper.make_node("Relu", ["a"], ["r"]),
             helper.make_node("Conv", ["r", "w2", "b2"], ["map"], pads=[1] * 4, strides=[2, 2])]
    return nodes, {name: value.astype(dtype) for name, value in weights.items()}


def conv_model(outputs=None, more=(), more_weights=None, dtype=np.float32, **options):
    nodes, weights = convolutions(dtype)
    batch = options.get("batch", "N")
    return model_of(nodes + list(more), weights | (more_weights or {}), outputs or {"map": [batch, 5, "h", "w"]}, **options)


def flat_model(**options):
    """The map's average, N x 5, as most classifiers end."""
    more = [helper.make_node("GlobalAveragePool", ["map"], ["pooled"]), helper.make_node("Flatten", ["pooled"], ["y"], axis=1)]
    return conv_model({"y": [options.get("batch", "N"), 5]}, more, **options)


def token_model(batch="N"):
    """Patches of 8 x 8 as tokens, and an attention among them: N x 16 x 16."""
    random = np.random.default_rng(2)
    first = batch if isinstance(batch, int) else 0
    weights = {"w": random.normal(size=(16, 3, 8, 8)) / 14, "shape": np.array([first, 16, 16]), "q": random.normal(size=(16, 16)) / 4,
               "k": random.normal(size=(16, 16)) / 4}
    nodes = [helper.make_node("Conv", ["image", "w"], ["p"], strides=[8, 8]), helper.make_node("Reshape", ["p", "shape"], ["r"]),
             helper.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 1]), helper.make_node("MatMul", ["t", "q"], ["tq"]),
             helper.make_node("MatMul", ["t", "k"], ["tk"]), helper.make_node("Transpose", ["tk"], ["tkt"], perm=[0, 2, 1]),
             helper.make_node("MatMul", ["tq", "tkt"], ["s"]), helper.make_node("Softmax", ["s"], ["a"], axis=-1),
             helper.make_node("MatMul", ["a", "t"], ["tokens"])]
    weights = {name: value.astype(np.float32 if value.dtype == np.float64 else np.int64) for name, value in weights.items()}
    return model_of(nodes, weights, {"tokens": [batch, 16, 16]}, batch=batch)


# --- values -----------------------------------------------------------------------------------------------------------

def plain_convolution(x, w, b, stride=2):
    """3 x 3, pad 1, in plain loops: an oracle that shares nothing with the onnx package."""
    side = x.shape[1]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.empty((len(w), side // stride, side // stride))
    for o in range(len(w)):
        for i in range(side // stride):
            for j in range(side // stride):
                out[o, i, j] = b[o] + (padded[:, i * stride:i * stride + 3, j * stride:j * stride + 3] * w[o]).sum()
    return out


@pytest.mark.parametrize("pooling", ["average", "maximum"])
def test_a_map_beside_plain_loops(extract, pixels, pooling):
    weights = {k: v.astype(np.float64) for k, v in convolutions()[1].items()}
    maps = np.stack([plain_convolution(np.maximum(plain_convolution(x.astype(np.float64), weights["w1"], weights["b1"]), 0),
                                       weights["w2"], weights["b2"]) for x in normalised(pixels)])
    expected = maps.mean((2, 3)) if pooling == "average" else maps.max((2, 3))
    require_close(extract(conv_model(), "--pooling", pooling), expected)


def test_an_image_by_itself(extract, pixels):
    """Channel means of the image itself, normalised: the order of channels, mean and deviation."""
    model = model_of([helper.make_node("Identity", ["image"], ["y"])], {}, {"y": ["N", 3, SIDE, SIDE]})
    require_close(extract(model), ((pixels / 255.0 - MEAN) / DEVIATION).mean((1, 2)))


@pytest.mark.parametrize("size", [SIDE, "s"], ids=["fixed size", "dynamic size"])
@pytest.mark.parametrize("batch", [1, 4, "N"], ids=["one image", "four images", "dynamic batch"])
def test_batches_and_sizes(extract, pixels, batch, size):
    model = flat_model(batch=batch, height=size, width=size)
    require_close(extract(model), reference(flat_model(), pixels))


@pytest.mark.parametrize("batch", [1, 4, "N"])
@pytest.mark.parametrize("pooling", ["average", "maximum", "class_token"])
def test_tokens(extract, pixels, pooling, batch):
    tokens = reference(token_model(), pixels)
    expected = {"average": tokens.mean(1), "maximum": tokens.max(1), "class_token": tokens[:, 0]}[pooling]
    require_close(extract(token_model(batch), yaml=f"model: {{pooling: {pooling}}}\n"), expected)


def test_float16(extract, pixels):
    """Weights, input and output of float16; computed in float32 with the rounded weights."""
    half = conv_model(dtype=np.float16, kind=TensorProto.FLOAT16)
    nodes, weights = convolutions(np.float16)
    wide = model_of(nodes, {k: v.astype(np.float32) for k, v in weights.items()}, {"map": ["N", 5, "h", "w"]})
    require_close(extract(half), reference(wide, pixels).mean((2, 3)))


def test_initializers_among_the_inputs(extract, pixels):
    """As IR versions before 4 had them."""
    model = flat_model()
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    model.ir_version = 3
    model.opset_import[0].version = 7
    require_close(extract(model), reference(flat_model(), pixels))


def test_outputs_by_name(extract, refused, arguments, pixels):
    model = conv_model({"map": ["N", 5, 8, 8], "r": ["N", 8, 16, 16]})
    require_close(extract(model, "--output", "r", out="r.npy"), reference(model, pixels, "r").mean((2, 3)))
    require_close(extract(model, yaml="model: {output: map, pooling: maximum}\n"), reference(model, pixels, "map").max((2, 3)))
    refused(3, r"2 outputs: 'map' \(1 x 5 x 8 x 8\), 'r' \(1 x 8.*--output", *arguments(model, out="no.npy"))
    refused(3, r"no output 'w1'; it has 'map' .*--output", *arguments(model, "--output", "w1", out="no.npy"))


def test_weights_beside_the_model(lowshot, refused, arguments, pixels, tmp_path):
    """As exporters write large models; a job does not go on with other weights."""
    model = flat_model()
    for tensor in model.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, "m.data")
    onnx.save(model, tmp_path / "made.onnx")
    content = (tmp_path / "made.onnx").read_bytes()
    data = (tmp_path / "m.data").read_bytes()
    assert len(data) >= 4 * sum(v.size for v in convolutions()[1].values())
    lowshot(*arguments(content))
    require_close(np.load(tmp_path / "out.npy"), reference(flat_model(), pixels))
    assert "up to date" in lowshot(*arguments(content)).stdout
    (tmp_path / "m.data").write_bytes(bytes(4) + data[4:])
    assert "up to date" not in lowshot(*arguments(content)).stdout
    (tmp_path / "m.data").write_bytes(data[:100])
    refused(3, "m.onnx", *arguments(content, out="no.npy"))
    (tmp_path / "m.data").unlink()
    refused(3, r"m\.data.*m\.onnx", *arguments(content, out="no.npy"))


@pytest.mark.parametrize("location", ["../secret", "{folder}/secret", "x/../../secret"])
def test_weights_elsewhere(refused, arguments, tmp_path, location):
    """A model may not name files outside its own folder."""
    (tmp_path / "secret").write_bytes(bytes(100000))
    model = flat_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location.format(folder=tmp_path))
    (tmp_path / "below").mkdir()
    line = arguments(model)
    (tmp_path / "m.onnx").rename(tmp_path / "below/m.onnx")
    line[line.index(tmp_path / "m.onnx")] = tmp_path / "below/m.onnx"
    refused(3, "m.onnx", *line)


# --- place, neighbours, threads ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("make", [flat_model, token_model])
@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_bits_do_not_depend_on_batch_or_threads(extract, lowshot, arguments, tmp_path, make, batch):
    model = make(batch=batch)
    expected = extract(model, "--threads", 1, "--batch", 1, out="a.npy")
    for i, (threads, size) in enumerate([(1, 16), (2, 3), (2, 8), (4, 5)]):
        found = extract(model, "--threads", threads, "--batch", size, out=f"{i}.npy")
        assert found.tobytes() == expected.tobytes(), (threads, size)
    found = extract(model, "--i0", 3, "--i1", 9, out="part.npy")  # other places and neighbours
    assert found.tobytes() == expected[3:9].tobytes()


def test_nothing_is_left_behind(lowshot, arguments, tmp_path):
    """No caches, logs or settings: not at home, not where it runs, not beside the model."""
    home = tmp_path / "home"
    home.mkdir()
    line = arguments(flat_model())
    before = set(os.listdir(tmp_path))
    lowshot(*line, cwd=home, env={"HOME": str(home), "TMPDIR": str(home)})
    assert set(os.listdir(tmp_path)) - before == {"out.npy", "out.npy.meta.json"} and not list(home.iterdir())


def test_the_plan(lowshot, arguments, tmp_path):
    out = lowshot(*arguments(flat_model(), "--dry-run")).stdout
    assert "OpenVINO" in out and "output 'y' of 1 x 5" in out and not (tmp_path / "out.npy").exists()


# --- refused ----------------------------------------------------------------------------------------------------------

def one_node(operator="Foo", domain="my.own", **options):
    return model_of([helper.make_node(operator, ["image"], ["y"], domain=domain)], {}, {"y": ["N", 5]}, **options)


def with_domain(model):
    model.opset_import.append(helper.make_opsetid("my.own", 1))
    return model


def second_input():
    mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["N", 1])
    return model_of([helper.make_node("Flatten", ["image"], ["f"]), helper.make_node("Mul", ["f", "mask"], ["y"])], {},
                    {"y": ["N", 3 * SIDE * SIDE]}, inputs=[mask])


def flattened(shape, kind=TensorProto.FLOAT):
    return model_of([helper.make_node("Flatten", ["image"], ["y"])], {}, {"y": (kind, ["N", "c"])}, input_shape=shape, kind=kind)


BAD = {
    "garbage": (b"\x99garbage" * 500, "ONNX"),
    "text": (b"no model\n", "ONNX"),
    "an empty file": (b"", "empty file"),
    "truncated": (flat_model().SerializeToString()[:-100], "ONNX"),
    "a pickle": (b"\x80\x02}q\x00.", "ONNX"),
    "no graph": (onnx.ModelProto(ir_version=8).SerializeToString(), "m.onnx"),
    "two inputs": (second_input(), r"found 2: 'image' \(\? x 3 x 32 x 32\), 'mask' \(\? x 1\)"),
    "a vector": (flattened(["N", 3]), r"'image' \(\? x 3\).*m\.onnx"),
    "video": (flattened(["N", 3, 4, SIDE, SIDE]), r"\? x 3 x 4 x 32 x 32"),
    "no shape": (flattened(None), "no fixed rank"),
    "channels last": (flattened(["N", SIDE, SIDE, 3]), r"\? x 32 x 32 x 3.*channels last"),
    "channels last, dynamic": (flattened(["N", "h", "w", 3]), "channels last"),
    "one channel": (flattened(["N", 1, SIDE, SIDE]), r"\? x 1 x 32 x 32"),
    "bytes": (flattened(["N", 3, SIDE, SIDE], TensorProto.UINT8), "type u8.*float32"),
    "another size": (flat_model(height=48, width=48), r"48 x 48, and the crop is 32 x 32.*image_size: 48"),
    "not square": (flat_model(height=SIDE, width=48), "32 x 48.*square"),
    "baked size": (conv_model({"y": ["N", 7]}, [helper.make_node("Flatten", ["map"], ["f"]), helper.make_node("MatMul", ["f", "v"], ["y"])],
                              {"v": np.ones((5 * 49, 7), np.float32)}, height="h", width="w"), "cannot take images of 32 x 32.*image_size"),
    "unknown operator": (with_domain(one_node()), r"does not know: my\.own\.Foo; "),
    "an operator without its domain": (one_node("Foo", ""), "does not know: Foo"),
    "whole numbers": (conv_model({"y": (TensorProto.INT64, ["N", 1, "h", "w"])}, [helper.make_node("ArgMax", ["map"], ["y"], axis=1)]), "floating"),
    "one value": (conv_model({"y": []}, [helper.make_node("ReduceSum", ["map"], ["y"], keepdims=0)]), "one entry an image"),
    "five axes": (conv_model({"y": ["N", 5, 8, 8, 1]}, [helper.make_node("Unsqueeze", ["map", "four"], ["y"])], {"four": np.array([4])}), "1 x 5 x 8 x 8 x 1"),
    "a size that depends": (conv_model({"y": ["a", "b"]}, [helper.make_node("NonZero", ["map"], ["n"]), helper.make_node("Cast", ["n"], ["y"], to=1)]), "depends"),
    "zero images": (flat_model(batch=0), "0 images a call"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_models(refused, arguments, name):
    model, pattern = BAD[name]
    line = arguments(model)
    done = refused(3, pattern, *line)
    assert "m.onnx" in done.stderr and done.stderr.count("\n") == 1 and done.stdout == ""


@pytest.mark.parametrize("pooling,pattern", [("none", "choose average or maximum"), ("class_token", "no class token")])
def test_pooling_of_a_map(refused, arguments, pooling, pattern):
    refused(3, pattern, *arguments(conv_model(), "--pooling", pooling))


def test_no_pooling_of_tokens(refused, arguments):
    refused(3, r"1 x 16 x 16.*choose average, maximum or class_token", *arguments(token_model(), "--pooling", "none"))


def test_no_regular_file(refused, arguments, tmp_path):
    line = arguments(flat_model())
    (tmp_path / "m.onnx").unlink()
    refused(3, "No such file", *line)
    os.mkfifo(tmp_path / "m.onnx")
    refused(3, "regular file", *line)
    (tmp_path / "m.onnx").unlink()
    (tmp_path / "m.onnx").mkdir()
    refused(3, "regular file", *line)


def test_options_of_other_networks(refused, arguments):
    refused(2, "--model", *arguments(flat_model(), "--model", "ResNet50"))
    refused(2, "CPU", *arguments(flat_model(), "--device", "cuda"))


def test_a_build_without_onnx(built_in, refused, arguments):
    if built_in:
        pytest.skip("this build has ONNX")
    refused(4, "made without OpenVINO.*m.onnx.*package openvino.*OpenVINO_DIR", *arguments(flat_model()))
