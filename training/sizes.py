"""How much the embedded model is trained, chosen and tested on; and the paper's setting for it."""

from batches import TextMix
from mata_audio import MATA

TRAIN_CLIPS = 14_400
TUNE_ITEMS = 1_440
TEST_ITEMS = 6_012
ENCODER_STEPS = 1_200
LANGUAGE_CLIPS = 7_200
LANGUAGE_MIX = TextMix(uncaptioned=0.3, reliable=0.995)
LANGUAGE_STEPS = 300
STOP_AFTER = 150
"""Language steps taken: later the model relies more on the audio, and MATA has less to add."""
PAPER = MATA(alpha=0.1, layers="4-8")
