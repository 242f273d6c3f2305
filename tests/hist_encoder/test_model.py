"""The networks have the published sizes and names."""

import torch

from hoigym.hist_encoder.model import EncoderShape, HistoryEncoder, NextFramePredictor

PUBLISHED = EncoderShape(features=316)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_are_the_published_ones() -> None:
    predictor = NextFramePredictor(PUBLISHED, predict_change=False)
    assert count(predictor.history_encoder) == 158_051
    assert count(predictor) - count(predictor.history_encoder) == 409_148


def test_weights_have_the_published_names_and_shapes() -> None:
    shapes = {name: tuple(value.shape) for name, value in NextFramePredictor(PUBLISHED, False).state_dict().items()}
    assert shapes == {
        "history_encoder.conv1.weight": (128, 316, 3),
        "history_encoder.conv1.bias": (128,),
        "history_encoder.conv2.weight": (64, 128, 3),
        "history_encoder.conv2.bias": (64,),
        "history_encoder.conv3.weight": (32, 64, 3),
        "history_encoder.conv3.bias": (32,),
        "history_encoder.fc.weight": (3, 1920),
        "history_encoder.fc.bias": (3,),
        "fc1.weight": (512, 383),
        "fc1.bias": (512,),
        "fc2.weight": (256, 512),
        "fc2.bias": (256,),
        "fc3.weight": (316, 256),
        "fc3.bias": (316,),
    }


def test_the_last_layer_reads_channel_by_channel() -> None:
    encoder = HistoryEncoder(EncoderShape(features=4, length=8, channels=(5, 6, 7)))
    window = torch.randn(2, 8, 4)
    layer = window.transpose(1, 2)
    for conv in (encoder.conv1, encoder.conv2, encoder.conv3):
        layer = conv(layer).relu()
    weight = encoder.fc.weight.view(3, 7, 8)
    expected = torch.einsum("ecl,ncl->ne", weight, layer) + encoder.fc.bias
    torch.testing.assert_close(encoder(window), expected)


def test_shared_frames_give_the_same_embeddings_and_gradients() -> None:
    torch.manual_seed(0)
    encoder = HistoryEncoder(EncoderShape(features=11, length=9, channels=(6, 5, 4)))
    frames = torch.randn(30, 11)
    index = torch.randint(0, 30, (13, 9))
    gradients = []
    embeddings = []
    for result in (encoder(frames[index]), encoder.encode_frames(frames, index)):
        encoder.zero_grad()
        result.square().sum().backward()
        embeddings.append(result.detach())
        gradients.append(torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None]))
    torch.testing.assert_close(*embeddings)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    encoder = HistoryEncoder(PUBLISHED, dropout=0.5)
    window = torch.randn(2, 60, 316)
    assert not torch.equal(encoder(window), encoder(window))
    encoder.eval()
    assert torch.equal(encoder(window), encoder(window))


def test_the_head_adds_to_the_current_frame_if_it_predicts_the_change() -> None:
    torch.manual_seed(0)
    change, frame = NextFramePredictor(PUBLISHED, True), NextFramePredictor(PUBLISHED, False)
    frame.load_state_dict(change.state_dict())
    inputs = torch.randn(4, 3), torch.randn(4, 316), torch.tensor([0, 9, 13, 63])
    torch.testing.assert_close(change(*inputs), frame(*inputs) + inputs[1])
    other_skill = (*inputs[:2], torch.tensor([1, 9, 13, 63]))
    differs = (frame(*other_skill) != frame(*inputs)).any(1)
    assert differs.tolist() == [True, False, False, False]
