"""The statements of chapter 4 agree with the numbers that this build printed."""

CHAPTER = "04-self-attention"


def test_18_modules_of_which_12_are_self_attention_and_12_in_bert(printed):
    def counts(column):
        return printed.column(column, "BERT-base")

    assert counts("all")["nn.Transformer"] == counts("all")["our Transformer"] == 18
    assert counts("cross")["nn.Transformer"] == 6
    assert (counts("all")["BERT-base"], counts("all")["BERT-large"]) == (12, 24)


def test_raw_scores_leave_hardly_one_key_and_scaled_ones_stay(printed):
    raw = printed.column("keys, raw", "d_k = 1024")
    scaled = printed.column("keys, scaled", "d_k = 1024")
    assert raw["d_k = 1024"] < 1.5
    assert max(scaled.values()) - min(scaled.values()) < 1


def test_one_head_cannot_and_two_can(printed):
    both = printed.column("both, %", "heads: 1, seed 0")
    assert max(share for row, share in both.items() if row.startswith("heads: 1,")) < 50
    assert min(share for row, share in both.items() if not row.startswith("heads: 1,")) > 95
