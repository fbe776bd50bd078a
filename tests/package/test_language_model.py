"""The language model beside the `transformers` library's Llama, and by its own laws."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from attnbook import (
    LanguageModel,
    RotaryAttention,
    RotaryPositions,
    ablate,
    beam_search,
    causal_mask,
    greedy_decode,
    sample,
)
from attnbook.generation import draw

VOCAB, PAD = 37, 3
SIZES = [  # d_model, heads, key heads, layers, d_ff
    (24, 6, 2, 2, 40),
    (16, 4, 4, 1, 24),
    (24, 3, 1, 3, 17),
]
NAMES = {
    "model.embed_tokens.weight": "embeddings.weight",
    "model.norm.weight": "decoder.norm.weight",
    "model.layers.": "decoder.layers.",
    "self_attn.q_proj": "self_attention.query",
    "self_attn.k_proj": "self_attention.key",
    "self_attn.v_proj": "self_attention.value",
    "self_attn.o_proj": "self_attention.output",
    "mlp.gate_proj": "feed_forward.gate",
    "mlp.up_proj": "feed_forward.inner",
    "mlp.down_proj": "feed_forward.outer",
    "input_layernorm": "add_norm1.norm",
    "post_attention_layernorm": "add_norm2.norm",
}
# The library computes its angles in 32 bits, so 64-bit outputs agree to about 1e-7.
CLOSE = {"rtol": 1e-4, "atol": 1e-6}


def renamed(name: str) -> str:
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name


def pair(sizes, base=10_000.0):
    """The library's model and ours, with the same random weights."""
    d_model, heads, key_heads, layers, d_ff = sizes
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=d_model,
        intermediate_size=d_ff,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": base},
        tie_word_embeddings=True,
        attn_implementation="eager",
        pad_token_id=PAD,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.2,
    )
    theirs = LlamaForCausalLM(config).double().eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "norm" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    ours = LanguageModel(VOCAB, d_model, heads, key_heads, layers, d_ff, base=base, pad=PAD).double().eval()
    state = {renamed(n): p for n, p in theirs.state_dict().items() if n != "lm_head.weight"}
    ours.load_state_dict(state)
    return theirs, ours


def texts(batch=2, length=9, seed=0):
    """Ids that are neither padding nor special."""
    return torch.randint(4, VOCAB, (batch, length), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=SIZES, ids=str)
def both(request):
    return pair(request.param)


def test_logits_weights_and_gradients_are_llamas(both):
    theirs, ours = both
    ids = texts()
    wanted = theirs(ids, output_attentions=True)
    logits, attentions = ours(ids)
    assert torch.allclose(logits, wanted.logits, **CLOSE)
    assert torch.allclose(attentions.decoder, torch.stack(wanted.attentions), **CLOSE)
    assert attentions.encoder is attentions.cross is None
    for model, out in ((theirs, wanted.logits), (ours, logits)):
        model.zero_grad()
        F.cross_entropy(out[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).backward()
    gradients = {renamed(name): p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    assert set(gradients) == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        assert torch.allclose(parameter.grad, gradients[name], **CLOSE), name


def test_another_rotary_base_is_llamas_too():
    theirs, ours = pair(SIZES[0], base=100_000.0)
    assert torch.allclose(ours(texts())[0], theirs(texts()).logits, **CLOSE)
    assert not torch.allclose(ours(texts())[0], pair(SIZES[0])[0](texts()).logits, **CLOSE)


def test_the_fused_kernel_gives_the_same(both):
    _, ours = both
    fused, nothing = ours(texts(), need_weights=False)
    assert torch.allclose(fused, ours(texts())[0], atol=1e-12)
    assert nothing is None


def test_without_weights_no_head_computes_them(both):
    _, ours = both
    returned = []
    for layer in ours.decoder.layers:
        layer.self_attention.register_forward_hook(lambda module, inputs, output: returned.append(output[1]))
    ours(texts(), need_weights=False)
    ours.step(texts()[:, 0], ours.start(texts()))
    assert returned == [None] * (3 * len(ours.decoder.layers))


def test_interleaved_pairs_are_another_order_of_the_features():
    halves, pairs = (
        LanguageModel(VOCAB, 24, 3, num_layers=2, interleaved=order).double() for order in (False, True)
    )
    pairs.load_state_dict(halves.state_dict())
    assert not torch.allclose(pairs(texts())[1].decoder, halves(texts())[1].decoder, atol=1e-6)
    order = torch.arange(8).view(2, 4).T.flatten()  # 0, 4, 1, 5, 2, 6, 3, 7
    with torch.no_grad():
        for layer in pairs.decoder.layers:
            for linear in (layer.self_attention.query, layer.self_attention.key):
                linear.weight.copy_(linear.weight.unflatten(0, (3, 8))[:, order].flatten(0, 1))
    assert torch.allclose(pairs(texts())[0], halves(texts())[0], atol=1e-12)


def test_cached_steps_are_the_whole_pass(both):
    _, ours = both
    ids = texts()
    logits, attentions = ours(ids)
    state = ours.start(ids[:, :3])
    for t in range(3, ids.shape[1]):
        step, state, weights = ours.step(ids[:, t], state, need_weights=True)
        assert torch.allclose(step, logits[:, t], atol=1e-12)
        assert torch.allclose(weights.decoder[..., 0, :], attentions.decoder[..., t, : t + 1], atol=1e-12)


def test_a_step_rotates_only_its_newest_query_and_key(both):
    """Once per layer, whatever the number of cached keys, so a step's cost hardly grows with the text."""
    _, ours = both
    ids, turned = texts(), []
    state = ours.start(ids[:, :-1])
    ours.decoder.layers[0].self_attention.rotary.register_forward_hook(
        lambda module, inputs, output: turned.append(output.shape[2])
    )
    ours.step(ids[:, -1], state)
    assert turned == [1] * len(ours.decoder.layers)


def test_a_state_stays_usable_and_rows_can_be_chosen(both):
    _, ours = both
    ids = texts(3)
    state = ours.start(ids[:, :-1])
    once, _, _ = ours.step(ids[:, -1], state)
    again, _, _ = ours.step(ids[:, -1], state)
    assert torch.equal(once, again)
    rows = torch.tensor([2, 0, 2])
    chosen, _, _ = ours.step(ids[rows, -1], state.select(rows))
    assert torch.allclose(chosen, once[rows], atol=1e-12)


def unequal(lengths, seed=0):
    """Prompts of these lengths, padded at their end."""
    ids = texts(len(lengths), max(lengths), seed)
    for row, length in zip(ids, lengths, strict=True):
        row[length:] = PAD
    return ids


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4), seed=st.integers(0, 9))
def test_prompts_of_unequal_lengths_are_continued_as_each_alone(lengths, seed):
    _, ours = pair(SIZES[0])
    ids = unequal(lengths, seed)
    together = sample(ours, ids, max_length=5, temperature=0)
    for row, length in enumerate(lengths):
        alone = sample(ours, ids[row : row + 1, :length], max_length=5, temperature=0)
        assert torch.equal(alone.ids[0], together.ids[row])
        assert torch.allclose(alone.scores[0], together.scores[row], atol=1e-9)


def test_padding_at_the_end_changes_no_real_row(both):
    _, ours = both
    ids = unequal([4, 7])
    logits, attentions = ours(ids)
    alone, weights = ours(ids[:1, :4])
    assert torch.allclose(logits[0, :4], alone[0], atol=1e-12)
    assert torch.allclose(attentions.decoder[:, 0, :, :4, :4], weights.decoder[:, 0], atol=1e-12)


def test_the_future_changes_nothing_before_it(both):
    _, ours = both
    ids, other = texts(), texts()
    other[:, 5:] = texts(seed=1)[:, 5:]
    assert torch.allclose(ours(ids)[0][:, :5], ours(other)[0][:, :5], atol=1e-12)
    assert not torch.allclose(ours(ids)[0][:, 5:], ours(other)[0][:, 5:], atol=1e-3)
    assert torch.allclose(ours(ids[:, :1])[0], ours(ids)[0][:, :1], atol=1e-12)  # no future at all


def test_the_mask_is_made_where_the_ids_are():
    with torch.device("meta"):
        model, ids = LanguageModel(VOCAB, 24, 6, 2, num_layers=2, d_ff=16), texts().to("meta")
    assert model(ids)[0].is_meta


def test_greedy_and_beam_search_write_what_the_library_writes(both):
    theirs, ours = both
    ids = texts(3, 5)
    limits = {"start": ids[:, -1], "end": 2, "max_length": 8}
    asked = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": PAD, "eos_token_id": 2}
    mask = torch.ones_like(ids)
    greedy = theirs.generate(ids, attention_mask=mask, **asked)[:, 5:]
    assert torch.equal(greedy_decode(ours, ids[:, :-1], **limits).ids, greedy)
    beams = theirs.generate(ids, attention_mask=mask, num_beams=4, length_penalty=0.0, **asked)[:, 5:]
    assert torch.equal(beam_search(ours, ids[:, :-1], beams=4, **limits).ids, beams)


@pytest.mark.parametrize("beams", [1, 3])
def test_beams_continue_unequal_prompts_as_each_alone(both, beams):
    _, ours = both
    prompts = [texts(1, length, seed=length) for length in (6, 2, 4)]
    before = torch.full((3, 5), PAD)
    for row, prompt in zip(before, prompts, strict=True):
        row[: prompt.shape[1] - 1] = prompt[0, :-1]
    limits = {"end": 2, "max_length": 5, "beams": beams}
    last = torch.cat([prompt[:, -1] for prompt in prompts])
    together = beam_search(ours, before, start=last, need_weights=True, **limits)
    for row, prompt in enumerate(prompts):
        alone = beam_search(ours, prompt[:, :-1], start=prompt[:, -1], **limits)
        written = alone.ids.shape[1]
        assert torch.equal(alone.ids[0], together.ids[row, :written])
        assert (together.ids[row, written:] == PAD).all()
        assert torch.allclose(alone.scores[0], together.scores[row], atol=1e-9)


def test_beam_search_with_the_cache_is_beam_search_over_whole_prefixes(both):
    """The same search written out: every step runs the whole model over every prefix."""
    _, ours = both
    prompt, beams, end = texts(1, 4), 3, 2
    live = [(0.0, prompt[0].tolist())]
    for _ in range(5):
        grown = [each for each in live if each[1][-1] == end]
        for score, ids in live:
            if ids[-1] != end:
                logits, _ = ours(torch.tensor([ids]), need_weights=False)
                gains = logits[0, -1].log_softmax(-1).tolist()
                grown += [(score + gain, [*ids, token]) for token, gain in enumerate(gains)]
        live = sorted(grown, reverse=True)[:beams]
    found = beam_search(ours, prompt[:, :-1], start=prompt[:, -1], end=end, max_length=5, beams=beams)
    assert [token for token in found.ids[0].tolist() if token != PAD] == live[0][1][4:]
    assert math.isclose(found.scores.item(), live[0][0], rel_tol=1e-9)


def test_a_start_for_each_row_is_replayed_with_its_weights(both):
    _, ours = both
    ids = texts(2, 5)
    found = greedy_decode(ours, ids[:, :0], start=ids[:, 0], end=2, max_length=4, need_weights=True)
    read = torch.cat((ids[:, :1], found.ids[:, :-1]), dim=1)
    assert torch.allclose(found.attentions.decoder, ours(read)[1].decoder, atol=1e-12)


# Rotary positions


@pytest.mark.parametrize("interleaved", [True, False])
def test_scores_depend_on_the_distance_alone(interleaved):
    torch.manual_seed(0)
    rotary = RotaryPositions(8, interleaved=interleaved)
    query, key = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)
    scores = [(rotary(query, 5 + far) * rotary(key, far)).sum() for far in (0, 1, 100, 4000)]
    assert torch.allclose(torch.stack(scores), scores[0].expand(4), atol=1e-9)
    assert not torch.isclose(scores[0], (rotary(query, 6) * rotary(key, 0)).sum(), atol=1e-3)
    assert torch.equal(rotary(query), query)  # at position 0 nothing is rotated


def test_the_two_layouts_are_one_after_a_permutation():
    x = torch.randn(2, 3, 5, 8, dtype=torch.float64)
    order = torch.arange(8).view(4, 2).T.flatten()  # 0, 2, 4, 6, 1, 3, 5, 7
    halves = RotaryPositions(8)(x[..., order], offset=2)
    pairs = RotaryPositions(8, interleaved=True)(x, offset=2)
    assert torch.allclose(halves, pairs[..., order], atol=1e-12)
    assert not torch.allclose(halves, pairs, atol=1e-3)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_model_of_one_layout_becomes_one_of_the_other(sizes):
    """It is enough to permute the rows of each head's queries and keys."""
    _, halves = pair(sizes)
    d_model, heads, key_heads, layers, d_ff = sizes
    options = {"interleaved": True, "pad": PAD}
    neighbours = LanguageModel(VOCAB, d_model, heads, key_heads, layers, d_ff, **options).double().eval()
    d = d_model // heads
    order = torch.arange(d).view(2, d // 2).T.flatten()  # feature 2i of a head was i, 2i + 1 was i + d / 2
    state = halves.state_dict()
    for name, tensor in state.items():
        if name.endswith(("attention.query.weight", "attention.key.weight")):
            state[name] = tensor.unflatten(0, (-1, d))[:, order].flatten(0, 1)
    neighbours.load_state_dict(state)
    ids = texts()
    (logits, attentions), (wanted, maps) = neighbours(ids), halves(ids)
    assert torch.allclose(logits, wanted, atol=1e-12)
    assert torch.allclose(attentions.decoder, maps.decoder, atol=1e-12)
    step, _, _ = neighbours.step(ids[:, -1], neighbours.start(ids[:, :-1]))
    assert torch.allclose(step, wanted[:, -1], atol=1e-12)


def test_a_turn_keeps_lengths_and_follows_the_formula():
    rotary = RotaryPositions(6, base=100.0, interleaved=True)
    x = torch.randn(1, 1, 4, 6, dtype=torch.float64)
    turned = torch.view_as_complex(rotary(x, offset=3).unflatten(-1, (3, 2)).contiguous())
    speed = 100.0 ** (-torch.arange(0, 6, 2, dtype=torch.float64) / 6)
    angle = torch.arange(3, 7, dtype=torch.float64)[:, None] * speed
    wanted = torch.view_as_complex(x.unflatten(-1, (3, 2)).contiguous()) * torch.polar(angle * 0 + 1, angle)
    assert torch.allclose(turned, wanted, atol=1e-12)


@pytest.mark.bad_input
def test_vectors_of_another_width_are_not_rotated():
    for shape in ((1, 1, 2, 6), (1, 2, 8)):
        with pytest.raises(ValueError, match=r"x: wanted shape \(B, H, T, 8\), got"):
            RotaryPositions(8)(torch.zeros(shape))
    assert RotaryPositions(8, base=1.5).base == 1.5


def test_sixteen_bits_keep_far_positions_apart():
    rotary = RotaryPositions(4)
    x = torch.ones(1, 1, 1, 4, dtype=torch.bfloat16)
    assert not torch.equal(rotary(x, 1000), rotary(x, 1001))


# Attention by itself


def spelled_out(attention: RotaryAttention, x, values, mask=None):
    """Attention over all of `x` from position 0 on, head by head."""
    heads, d = attention.num_heads, attention.d_head
    queries, keys, values = (
        layer(each).unflatten(-1, (-1, d)).transpose(1, 2)
        for layer, each in ((attention.query, x), (attention.key, x), (attention.value, values))
    )
    queries, keys = (
        torch.cat([turned(each[:, :, [t]], t) for t in range(x.shape[1])], 2) for each in (queries, keys)
    )
    outputs, maps = [], []
    for head in range(heads):
        shared = head * keys.shape[1] // heads
        scores = queries[:, head] @ keys[:, shared].mT / math.sqrt(d)
        weights = (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)
        outputs.append(weights @ values[:, shared])
        maps.append(weights)
    return attention.output(torch.cat(outputs, -1)), torch.stack(maps, 1)


def turned(x, t):
    """Rotate the pairs (i, i + d/2) by their angles at position t."""
    pairs = torch.complex(*x.chunk(2, -1))
    count = pairs.shape[-1]
    angle = t * 10_000.0 ** (-torch.arange(count, dtype=x.dtype) / count)
    pairs = pairs * torch.polar(torch.ones_like(angle), angle)
    return torch.cat((pairs.real, pairs.imag), -1)


@pytest.fixture(params=[1, 2, 4])
def rotary_attention(request):
    torch.manual_seed(0)
    return RotaryAttention(24, 4, request.param, RotaryPositions(6)).double()


@pytest.mark.parametrize("causal", [True, False])
def test_attention_by_itself_computes_its_angles_from_position_0_on(rotary_attention, causal):
    x, values = torch.randn(2, 2, 5, 24, dtype=torch.float64)
    mask = causal_mask(5) if causal else None
    output, weights = rotary_attention(x, x, values, mask)
    wanted, maps = spelled_out(rotary_attention, x, values, mask)
    torch.testing.assert_close(output, wanted)
    torch.testing.assert_close(weights, maps)
    fused, nothing = rotary_attention(x, x, values, mask, need_weights=False)
    torch.testing.assert_close(fused, wanted)
    assert nothing is None


def test_attention_by_itself_continues_after_the_keys_of_its_cache(rotary_attention):
    x, values = torch.randn(2, 2, 5, 24, dtype=torch.float64)
    wanted, maps = spelled_out(rotary_attention, x, values, causal_mask(5))
    cache = rotary_attention.keys_and_values(x[:, :0], x[:, :0])
    for part, whole in ((slice(0, 3), causal_mask(5)[:3, :3]), (slice(3, 5), causal_mask(5)[3:])):
        new = x[:, part]
        output, weights, cache = rotary_attention(new, new, values[:, part], whole[None, None], cache=cache)
        torch.testing.assert_close(output, wanted[:, part])
        torch.testing.assert_close(weights, maps[:, :, part, : part.stop])
        assert cache.keys.shape[2] == part.stop


# Sampling


@pytest.fixture
def ours():
    return pair(SIZES[0])[1]


def test_draws_follow_the_models_probabilities(ours):
    ids = texts(1, 4).expand(4000, -1)
    drawn = sample(ours, ids, max_length=1, generator=torch.Generator().manual_seed(0))
    share = F.one_hot(drawn.ids[:, 0], VOCAB).double().mean(0)
    wanted = ours(ids[:1])[0][0, -1].softmax(-1)
    assert (share - wanted).abs().max() < 4 * math.sqrt(0.25 / 4000)
    assert torch.allclose(drawn.scores, wanted.log()[drawn.ids[:, 0]], atol=1e-9)


def test_temperature_sharpens_and_flattens(ours):
    ids = texts(1, 4).expand(2000, -1)
    kinds = {
        heat: len(set(sample(ours, ids, max_length=1, temperature=heat).ids[:, 0].tolist()))
        for heat in (0, 0.1, 1.0, 50.0)
    }
    assert kinds[0] == 1 <= kinds[0.1] < kinds[1.0] <= kinds[50.0] == VOCAB


def test_top_k_and_top_p_keep_the_likeliest(ours):
    ids = texts(1, 4).expand(3000, -1)
    shares, order = ours(ids[:1])[0][0, -1].softmax(-1).sort(descending=True)
    drawn = sample(ours, ids, max_length=1, top_k=3).ids[:, 0]
    assert set(drawn.tolist()) == set(order[:3].tolist())
    least = int((shares.cumsum(0) < 0.5).sum()) + 1  # the fewest that reach a half
    drawn = sample(ours, ids, max_length=1, top_p=0.5).ids[:, 0]
    assert set(drawn.tolist()) == set(order[:least].tolist())
    both = sample(ours, ids, max_length=1, top_p=0.5, top_k=1).ids[:, 0]
    assert set(both.tolist()) == {order[0].item()}


def test_top_p_stops_where_the_total_is_reached(ours):
    equal = torch.zeros(500, 4, dtype=torch.float64).log_softmax(-1)
    drawn = draw(equal, 1.0, None, 0.5, torch.Generator().manual_seed(0))
    assert len(drawn.unique()) == 2  # each has a quarter
    drawn = draw(equal, 1.0, 2, 0.5, torch.Generator().manual_seed(0))
    assert len(drawn.unique()) == 1  # half of what top_k has kept
    every, plain = (
        sample(ours, texts(), max_length=4, top_p=top_p, generator=torch.Generator().manual_seed(0)).ids
        for top_p in (1.0, None)
    )
    assert torch.equal(every, plain)


def test_sampling_is_without_dropout_and_restores_the_mode():
    torch.manual_seed(0)
    model = LanguageModel(VOCAB, 24, 6, 2, num_layers=2, d_ff=16, dropout=0.5).train()
    one, two = (sample(model, texts(), max_length=3, temperature=0) for _ in range(2))
    assert torch.equal(one.scores, two.scores)
    assert model.training
    assert model.decoder.training


class Scripted(torch.nn.Module):
    """In a batch of two rows, the first ends at once and the second after token 5."""

    pad, end = 0, 2

    def start(self, source):
        return 0

    def step(self, ids, state, need_weights=False):
        likely = torch.tensor([[2, 5], [5, 2]][state])
        return 3.0 * F.one_hot(likely, 6).double(), state + 1, None


def test_a_row_that_has_ended_is_padded_and_keeps_its_score():
    drawn = sample(Scripted(), torch.tensor([[4], [4]]), max_length=5, temperature=0, end=Scripted.end)
    assert drawn.ids.tolist() == [[2, 0], [5, 2]]
    gain = 3 - math.log(math.exp(3) + 5)
    assert drawn.scores.tolist() == pytest.approx([gain, 2 * gain])


def test_the_same_generator_gives_the_same_text_and_no_other_draws(ours):
    ids, before = texts(), torch.get_rng_state()
    one, other = (
        sample(ours, ids, max_length=6, generator=torch.Generator().manual_seed(seed)).ids for seed in (1, 1)
    )
    assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(
        one, sample(ours, ids, max_length=6, generator=torch.Generator().manual_seed(2)).ids
    )


def test_in_16_bits_the_scores_keep_their_digits(ours):
    model, ids = ours.to(torch.bfloat16), texts(1, 4)
    found = sample(model, ids, max_length=1, temperature=0)
    logits, _, _ = model.step(ids[:, -1], model.start(ids[:, :-1]))
    wanted = logits.double().log_softmax(-1).max()
    assert found.scores.dtype == torch.float32
    assert found.scores.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_prompt_may_be_a_single_token(ours):
    ids = texts(2, 1)
    drawn = sample(ours, ids, max_length=3, temperature=0)
    wanted = greedy_decode(ours, ids[:, :0], start=ids[:, 0], end=PAD, max_length=3)
    assert torch.equal(drawn.ids, wanted.ids)


def test_a_row_stops_at_its_end(ours):
    ids = texts(1, 4).expand(50, -1)
    end = sample(ours, ids[:1], max_length=1, temperature=0).ids[0, 0].item()
    drawn = sample(ours, ids, max_length=8, end=end, generator=torch.Generator().manual_seed(0)).ids
    ended = 0
    for row in drawn.tolist():
        if end in row:
            ended += 1
            assert set(row[row.index(end) + 1 :]) <= {PAD}
    assert ended > 0


# Sizes, memory, other tools


def test_shared_keys_make_the_cache_smaller():
    many, few = (
        LanguageModel(VOCAB, 24, 6, heads, num_layers=2, d_ff=16).start(torch.full((1, 5), 4))
        for heads in (6, 2)
    )
    assert many.caches[0].keys.numel() == 3 * few.caches[0].keys.numel()


def test_a_model_on_the_meta_device_can_be_filled():
    with torch.device("meta"):
        model = LanguageModel(VOCAB, 24, 6, 2, num_layers=2, d_ff=16)
    model = model.to_empty(device="cpu")
    torch.manual_seed(0)
    model.reset_parameters()
    norm = model.decoder.layers[0].add_norm1.norm.weight
    assert torch.equal(norm, torch.ones_like(norm))
    assert 0.015 < model.embeddings.weight.std() < 0.025


@pytest.mark.traced
def test_it_compiles_and_its_heads_can_be_switched_off(ours):
    ids = texts()
    compiled = torch.compile(ours, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(ids)[0], ours(ids)[0])
    whole = ours(ids)[0]
    with ablate(ours, [(1, 4)]):
        assert not torch.allclose(ours(ids)[0], whole, atol=1e-6)
    assert torch.equal(ours(ids)[0], whole)


def test_it_learns_to_repeat():
    """A pattern that only attention to earlier positions can continue."""
    torch.manual_seed(0)
    model = LanguageModel(12, 32, 4, 2, num_layers=2, d_ff=48)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        half = torch.randint(1, 12, (32, 6))
        ids = torch.cat((half, half), dim=1)
        logits, _ = model(ids[:, :-1], need_weights=False)
        loss = F.cross_entropy(logits[:, 5:].flatten(0, 1), ids[:, 6:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    half = torch.randint(1, 12, (100, 6))
    prompt = torch.cat((half, half[:, :1]), dim=1)
    written = sample(model, prompt, max_length=5, temperature=0).ids
    assert (written == half[:, 1:]).float().mean() > 0.9


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_key_heads": 4}, "num_key_heads: wanted a divisor of num_heads=6, got 4"),
        (
            {"num_heads": 8},
            "num_heads: wanted a number that divides .*even width, got 8",
        ),
        ({"pad": 37}, "pad: "),
        ({"epsilon": 0}, "epsilon: wanted a number above 0, got 0"),
        ({"base": 1}, "base: wanted a number above 1, got 1"),
        ({"dropout": 1.0}, "dropout: "),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, words):
    sizes = {"vocab": VOCAB, "d_model": 24, "num_heads": 6, "num_key_heads": 2, "num_layers": 1, "d_ff": 8}
    with pytest.raises(ValueError, match=words):
        LanguageModel(**(sizes | options))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: model(torch.zeros(3, dtype=torch.long)), r"ids: wanted shape \(B, T\)"),
        (lambda model: model(torch.full((1, 2), 99)), "ids: wanted ids from 0 to 36, got 99 to 99"),
        (
            lambda model: model.start(torch.tensor([[4, 3, 5]])),
            "source: wanted padding .* only at the end",
        ),
        (lambda model: sample(model, torch.tensor([[3, 3]]), max_length=1), "ids: wanted shape"),
        (lambda model: sample(model, torch.tensor([[4, 3, 5]]), max_length=1), "ids: wanted padding .* end"),
        (lambda model: sample(model, texts(), max_length=0), "max_length"),
        (lambda model: sample(model, texts(), max_length=1, temperature=-1), "temperature: wanted .*got -1"),
        (lambda model: sample(model, texts(), max_length=1, top_k=0), "top_k"),
        (lambda model: sample(model, texts(), max_length=1, temperature=math.inf), "temperature: .*got inf"),
        (lambda model: sample(model, texts(), max_length=1, top_p=1.5), "top_p: wanted .*got 1.5"),
        (lambda model: sample(model, texts(), max_length=1, top_p=0), "top_p: wanted .*got 0"),
        (
            lambda model: model.decoder.layers[0].self_attention(
                *(torch.zeros(2, length, 24, dtype=torch.float64) for length in (3, 4, 4))
            ),
            r"key: wanted shape \(2, 3, 24\), one key for each query, got \(2, 4, 24\)",
        ),
        (
            lambda model: greedy_decode(model, texts(), start=torch.tensor([4]), end=2, max_length=1),
            r"start: wanted shape \(2,\)",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(ours, call, words):
    with pytest.raises(ValueError, match=words):
        call(ours)
