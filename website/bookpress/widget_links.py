"""Links that set a widget of their page: `#dates-1_into-zh` asks the first translator for Chinese.

The widgets read such addresses themselves (`js/shared/address.js` in `attnbook.widgets`).
"""

# What a widget is called in an address, and the class of its container.
CONTAINERS = {
    "attention": "ab-explorer",
    "dates": "ab-translator",
    "language": "ab-language",
    "plane": "ab-queries",
    "sentence": "ab-sentences",
    "stepper": "ab-stepper",
    "trainer": "ab-trainer",
    "training": "ab-training",
}
SETS_WIDGET = rf"#({'|'.join(CONTAINERS)})-(\d+)(_|$)"
