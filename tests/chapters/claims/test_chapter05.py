"""The statements of chapter 5 agree with the numbers that this build printed."""

import re

CHAPTER = "05-encoder"


def test_without_add_positions_become_alike(printed):
    without = printed.column("without Add", "after layer 3")
    assert without["after layer 2"] < 0.01 < without["after layer 1"] < 0.5
    assert max(without[f"after layer {n}"] for n in (3, 6, 12)) < 1e-5
    assert min(printed.column("with Add", "after layer 3").values()) > 0.5


def test_layer_norm_depends_on_its_own_position_only(printed):
    moved = printed.column("the output moves by", "another position")
    assert moved["another position"] == moved["another sentence"] == 0
    assert max(moved["all its features plus 3"], moved["all its features times 10"]) < 1e-4
    assert moved["one of its features plus 3"] > 0.1


def test_the_relu_counts_and_not_the_parameters(printed):
    right = printed.column("pairs right, %", "two votes, added")
    assert right["with feed-forward"] > 98
    assert max(right["… without its ReLU"], right["no feed-forward"]) < 75
    assert right["… 3 layers of attention"] > right["no feed-forward"] + 10
    for name in ("… without its ReLU", "no feed-forward"):
        assert abs(right[name] - right["two votes, added"]) < 15


def test_two_thirds_of_a_layer_are_feed_forward(printed):
    assert 66 < printed.column("share, %", "feed-forward")["feed-forward"] < 67


def test_the_listing_equals_the_package_and_the_package_equals_pytorch(printed):
    differences = printed.column("largest difference", "the listing and the package")
    assert len(differences) == 3
    assert max(differences.values()) < 1e-6


def test_what_is_missed_and_at_which_depth(printed):
    two = printed.column("2 layers, %", "without Add")
    eight = printed.column("8 layers, %", "without Add")
    assert max(two["without Add"], two["… at attention only"]) < 1
    assert two["complete"] > 75
    assert two["without Norm"] + 10 < two["complete"]
    for right in (two, eight):
        assert right["… twice the steps"] > max(90, right["without Norm"] + 10, right["complete"] - 4)
    assert two["without feed-forward"] > two["complete"] - 15
    for right in (two, eight):
        others = ("without Add", "without Norm")
        assert all(right["without feed-forward"] > right[part] for part in others if part in right)
    assert eight["without Norm"] < 20 < eight["complete"] - 40
    assert eight["without feed-forward"] > eight["complete"] - 15


def test_the_gradient_is_there_at_two_layers_and_the_differences_are_not(printed):
    gradient = printed.column("gradient", "without Add, 2 layers")
    apart = printed.column("deviation", "without Add, 2 layers")
    assert gradient["without Add, 2 layers"] > gradient["complete, 2 layers"]
    assert apart["without Add, 2 layers"] < 1e-5 < 0.1 < apart["complete, 12 layers"]
    assert gradient["without both, 12 layers"] < 1e-9
    for name, fewest, most in (("without Add", 1, 60), ("complete", 400, 500)):
        trained = next(line for line in printed.lines if line.startswith(f"{name}: deviation"))
        deviation, answers = re.findall(r"[\d.]+", trained)
        assert float(deviation) > 0.1
        assert fewest <= int(answers) <= most


def test_deep_post_norm_needs_its_warm_up_and_pre_norm_less(printed):
    two = printed.column("2 layers, %", "post-norm, none")
    twelve = printed.column("12 layers, %", "post-norm, none")
    assert min(two.values()) > 90
    assert twelve["post-norm, none"] < 45
    assert 70 < twelve["post-norm, warm-up"] < 95
    assert twelve["post-norm, none"] + 15 < twelve["pre-norm, none"]
    assert twelve["pre-norm, warm-up"] > max(90, twelve["pre-norm, none"])
    deviation = printed.column("deviation", "post-norm, none")
    assert deviation["post-norm, none"] < 1e-5
    assert min(share for name, share in deviation.items() if name != "post-norm, none") > 0.5


def test_most_seeds_collapse_without_a_warm_up_and_all_read_less_than_pre_norm(printed):
    read = printed.column("characters, %", "seed 3")
    deviation = printed.column("its deviation", "seed 3")
    slower = "seed 0, a third of the rate"
    assert read.pop(slower) > max(55, max(read.values()) + 10)
    assert deviation.pop(slower) > 0.3
    collapsed = [value < 1e-5 for value in deviation.values()]
    assert len(collapsed) == 4
    assert sum(collapsed) >= 3
    assert max(read.values()) + 15 < printed.column("12 layers, %", "post-norm, none")["pre-norm, none"]
    always = printed.number("characters right with 0000-00-00 for every date")
    assert round(always) == 39
    assert max(read.values()) < always + 2
    table = next(table for table in printed.tables if "seed 3" in table)
    for row, alike in zip(read, collapsed, strict=True):
        hyphens = [n for n, character in enumerate(table[row]["it gives"]) if character == "-"]
        assert hyphens == (list(range(10)) if alike else [4, 7]), row


def test_one_full_step_upsets_a_deep_post_norm_stack(printed):
    deep, columns = "post-norm, 12 layers", ("before", "one full step", "one warm-up step")
    before, full, warm = (printed.column(name, deep) for name in columns)
    assert full[deep] < before[deep] / 4
    for name in before:
        assert abs(warm[name] - before[name]) < 0.1 * before[name]
    assert full["post-norm, 2 layers"] > before["post-norm, 2 layers"] / 2
    kept = {name: full[name] / before[name] for name in before}
    assert kept[deep] < kept["pre-norm, 12 layers"] < 0.5


def test_padding_masks_hide_keys(printed):
    batched = printed.column("as batched, %", "keys (correct)")
    alone = printed.column("one at a time, %", "keys (correct)")
    assert batched["keys (correct)"] > 90
    assert max(batched["none"], batched["rows instead of keys"]) < 40
    assert min(alone["none"], alone["rows instead of keys"]) > 90
    assert max(batched["inverted"], alone["inverted"]) < 1
    assert printed.number("the vectors of the real positions move by up to") < 1e-4


def test_boxes_find_their_field_in_layer_1_and_no_head_follows_neighbours(printed):
    own = printed.column("box: own field", "layer 0, head 0")
    in_layer = [[share for head, share in own.items() if head.startswith(f"layer {n}")] for n in range(3)]
    assert max(in_layer[0]) < 0.4
    assert sum(in_layer[0]) / 4 > 0.15
    assert min(in_layer[1]) > 0.45
    assert sum(in_layer[2]) / 4 > 0.35
    boxes = printed.column("box: boxes", "layer 0, head 0")
    mean = [sum(boxes[f"layer {n}, head {h}"] for h in range(4)) / 4 for n in range(3)]
    assert mean[1] + 0.05 < min(mean[0], mean[2])
    for column in ("text: before", "text: after"):
        assert max(printed.column(column, "layer 0, head 0").values()) < 0.25
