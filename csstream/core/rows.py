"""The one codec between what the core keeps and the bytes of a row (DESIGN: what is kept, and how long)."""

import msgspec

from csstream.core.conversation import State

encode_state = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(State).decode
