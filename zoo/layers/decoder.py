"""Recurrent decoder with attention to the outputs of an encoder."""

import keras
from keras import ops

from zoo.choices import CELLS, check_choice
from zoo.layers.attention import Attention, BahdanauAttention, make_attention
from zoo.layers.decoder_state import (
    RecurrentDecoderConstants,
    RecurrentDecoderState,
    encoder_states,
    encoder_vector,
    encoder_vector_shape,
)
from zoo.layers.recurrence import cell_of, run_recurrent, scan
from zoo.layers.recurrent import make_recurrent
from zoo.layers.tensors import as_float

ORDERS = ("attend_then_recur", "recur_then_attend")
INITIAL_STATES = ("zero", "last", "bridge", "first_input")


@keras.saving.register_keras_serializable("zoo")
class AttentiveDecoder(keras.layers.Layer):
    """Recurrent decoder with attention to the outputs of an encoder, the memory.

    With x the input, h the hidden state of the top layer and c the context, the weighted sum of
    the memory, step t is one of:

    - `"recur_then_attend"` (Luong): `h_t = f(x_t, h_{t-1})`, then `c_t` from the query `h_t`.
      The recurrence does not depend on the attention, so a whole sequence takes one pass of the
      fused recurrent kernel and one attention for all steps.
    - `"attend_then_recur"` (Bahdanau): `c_t` from the query `h_{t-1}`, then
      `h_t = f([x_t; c_t], h_{t-1})`. The steps run one after the other.

    In both, the output is the attentional vector `o_t = tanh(W [c_t; h_t])`. With input feeding
    `o_{t-1}` is also an input of the recurrence, and the steps run one after the other.

    With attention `"none"` the context is the encoder's last state at every step: an input of
    each step and a part of each output (Cho 2014). With the initial state `"first_input"` there
    is no context (Vinyals 2015).

    Keys are projected once per sequence. `call` computes all target steps (teacher forcing);
    `start` and `step` compute one at a time, for generation, with the same results.

    Args:
        cell: `"simple_rnn"`, `"lstm"`, `"gru"`, or a name given by
            `zoo.choices.register_cell`.
        units: int. Size of each layer's state, and of the output.
        attention: A name for `make_attention`, an `Attention`, or `"none"`. Defaults to
            `"bahdanau"`.
        num_layers: int. The context is an input of the first layer, the query is the state of
            the last. Defaults to `1`.
        order: One of the two above; none without attention. Defaults to `"attend_then_recur"`
            for Bahdanau's attention and to `"recur_then_attend"` for the others.
        input_feeding: bool. Defaults to `False`.
        initial_state: Initial state of the recurrence. Defaults to `"zero"`.
            - `"zero"`: zeros.
            - `"last"`: the encoder's state. A vector is every state of every layer; a list of
              states is used layer by layer.
            - `"bridge"`: `tanh(W e + b)` of the encoder's state e (that of its last layer, if it
              is a list), for each state of each layer.
            - `"first_input"`: the state after one step, from zeros, with the input `W e + b`.
              For attention `"none"` without input feeding.
        gate: bool. Whether the context is scaled by `sigmoid(w q + b)` of the query q. Needs
            attention. Defaults to `False`.
        attention_units: int. `units` for `make_attention`. Needs an attention given by its name.
            Defaults to `units`.
        num_heads: int. `num_heads` for `make_attention`. Defaults to `4`.
        dropout: float. Dropout between layers, of the same units at each step, and of the
            output. Defaults to `0.0`.

    Call arguments:
        inputs: Float tensor `[batch, target, features]`: the embedded previous tokens.
        memory: Float tensor `[batch, source, memory_units]`.
        memory_mask: Boolean tensor `[batch, source]`, false where the memory is padding.
        encoder_state: Float tensor `[batch, state_units]`, or the list of states that
            `RecurrentEncoder` returns: for each layer a list of h, and c for an LSTM. Needed
            unless the initial state is zero and there is an attention.
        return_attention_scores: bool. Whether to return the attention weights too.
        training: bool.

    Returns:
        The attentional vectors `[batch, target, units]`; with `return_attention_scores` a pair
        of them and the weights `[batch, target, source]`, zeros with attention `"none"`.

    Raises:
        ValueError: if an argument is not among its choices or has no effect with the others, or
            if the encoder's state is missing or does not fit.

    Example:

    >>> decoder = AttentiveDecoder("gru", units=8, attention="luong_general")
    >>> inputs, memory = keras.random.normal((2, 3, 4)), keras.random.normal((2, 5, 6))
    >>> decoder(inputs, memory).shape
    (2, 3, 8)
    >>> state, constants = decoder.start(memory)
    >>> output, state, weights = decoder.step(inputs[:, 0], state, constants)
    >>> output.shape, weights.shape
    ((2, 8), (2, 5))

    References:
        - Bahdanau et al. 2015, appendix A.1.2 and A.2.2.
        - Luong et al. 2015, equation 5 and section 3.3, "input-feeding".
        - Without attention: Cho et al. 2014; with `"last"` also Sutskever et al. 2014; with
          `"first_input"` Vinyals et al. 2015, "Show and Tell", equations 10 to 12.
        - Gate: Xu et al. 2015, "Show, Attend and Tell", section 4.2.1, beta.
    """

    def __init__(
        self,
        cell,
        units,
        attention="bahdanau",
        num_layers=1,
        order=None,
        input_feeding=False,
        initial_state="zero",
        attention_units=None,
        num_heads=4,
        dropout=0.0,
        gate=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_choice("cell", cell, CELLS)
        check_choice("order", order, (None, *ORDERS))
        check_choice("initial_state", initial_state, INITIAL_STATES)
        if min(units, num_layers) < 1:
            raise ValueError(
                "`units` and `num_layers` must be at least 1. "
                f"Received: units={units}, num_layers={num_layers}"
            )
        if initial_state == "first_input" and (attention != "none" or input_feeding):
            raise ValueError(
                "With `initial_state='first_input'` there is no attention and no input feeding. "
                f"Received: attention={attention!r}, input_feeding={input_feeding}"
            )
        if gate and attention == "none":
            raise ValueError(
                "A gate scales the context of an attention: set gate=False, or name an attention. "
                "Received: gate=True, attention='none'"
            )
        if order and attention == "none":
            raise ValueError(
                "An order needs an attention: set order=None, or name an attention. "
                f"Received: order={order!r}, attention='none'"
            )
        if attention_units and (attention == "none" or not isinstance(attention, str)):
            raise ValueError(
                "`attention_units` is for an attention given by its name: leave it out, and make "
                "an `Attention` with the size it needs. "
                f"Received: attention_units={attention_units}, attention={attention!r}"
            )
        self.supports_masking = True
        self.cell = cell
        self.units = units
        self.num_layers = num_layers
        self.input_feeding = input_feeding
        self.initial_state = initial_state
        self.attention_units = attention_units
        self.num_heads = num_heads
        self.dropout = dropout
        self.gate = gate
        self.attention_name = attention if isinstance(attention, str) else None
        self.attention = None
        self.order = None
        if attention != "none":
            self.attention = self._make_attention(attention)
            is_bahdanau = isinstance(self.attention, BahdanauAttention)
            self.order = order or ORDERS[0 if is_bahdanau else 1]
        options = {"dtype": self.dtype_policy}
        self.stack = [
            make_recurrent(cell, units, name=f"layer_{i}", **options) for i in range(num_layers)
        ]
        self.combine = keras.layers.Dense(
            units, "tanh", use_bias=False, name="attentional", **options
        )
        self.bridge = None
        if initial_state == "bridge":
            count = num_layers * self._states_per_layer
            self.bridge = keras.layers.Dense(count * units, "tanh", name="bridge", **options)
        self.first_input = None  # made when the size of the inputs is known
        self.context_gate = None
        if gate:
            self.context_gate = keras.layers.EinsumDense(
                "btq,qg->btg",
                output_shape=(None, 1),
                bias_axes="g",
                activation="sigmoid",
                name="context_gate",
                **options,
            )
            self.context_gate.supports_masking = True
        self.between = keras.layers.SpatialDropout1D(dropout, name="between", **options)
        self.drop = keras.layers.Dropout(dropout, name="drop", **options)

    def _make_attention(self, attention):
        if isinstance(attention, str):
            return make_attention(
                attention,
                self.attention_units or self.units,
                num_heads=self.num_heads,
                dtype=self.dtype_policy,
                name="attention",
            )
        if not isinstance(attention, Attention) or getattr(attention, "per_head_scores", False):
            raise ValueError(
                "`attention` must be 'none', a name for `make_attention`, or an `Attention` "
                f"whose weights are [batch, target, source]. Received: attention={attention!r}"
            )
        return attention

    @property
    def _states_per_layer(self):
        return len(self.stack[0].state_size)

    @property
    def _attends_first(self):
        """True if the context of a step is an input of its recurrence."""
        return self.attention is None or self.order == "attend_then_recur"

    @property
    def _feeds_back(self):
        """True if a step depends on the output or the context of the one before."""
        return self.input_feeding or (self.attention is not None and self._attends_first)

    def build(self, inputs_shape, memory_shape, encoder_state_shape=None):
        needs_vector = self.attention is None or self.initial_state == "bridge"
        vector_shape = encoder_vector_shape(encoder_state_shape) if needs_vector else None
        query_shape = (inputs_shape[0], inputs_shape[1], self.units)
        if self.initial_state == "first_input":
            context_units = 0
            self.first_input = keras.layers.Dense(
                inputs_shape[-1], dtype=self.dtype_policy, name="first_input"
            )
            self.first_input.build(vector_shape)
        elif self.attention is None:
            context_units = vector_shape[-1]
        else:
            self.attention.build(query_shape, memory_shape)
            context_units = self.attention.compute_output_shape(query_shape, memory_shape)[-1]
        features = inputs_shape[-1] + self.units * self.input_feeding
        if self._attends_first:
            features += context_units
        for layer in self.stack:
            layer.build((inputs_shape[0], inputs_shape[1], features))
            features = self.units
        self.combine.build((*query_shape[:2], context_units + self.units))
        if self.bridge is not None:
            self.bridge.build(vector_shape)
        if self.context_gate is not None:
            self.context_gate.build(query_shape)
        super().build(inputs_shape)

    def call(
        self,
        inputs,
        memory,
        memory_mask=None,
        encoder_state=None,
        return_attention_scores=False,
        training=None,
    ):
        inputs, memory, encoder_state = as_float(
            (inputs, memory, encoder_state), self.compute_dtype
        )
        state, constants = self.start(memory, memory_mask, encoder_state)
        masks = self._dropout_masks(inputs, training)
        run = self._all_steps_in_turn if self._feeds_back else self._all_steps_at_once
        outputs, weights = run(inputs, state, constants, masks, training)
        outputs = self.drop(outputs, training=training)
        if not return_attention_scores:
            return outputs
        if weights is None:
            weights = ops.zeros((*ops.shape(inputs)[:2], ops.shape(memory)[1]), "float32")
        return outputs, weights

    def start(self, memory, memory_mask=None, encoder_state=None):
        """The state before the first step, and the constants. The layer must be built.

        Args:
            memory, memory_mask, encoder_state: See the layer.

        Returns:
            `RecurrentDecoderState` and `RecurrentDecoderConstants`.
        """
        memory = ops.convert_to_tensor(memory, self.compute_dtype)
        batch = ops.shape(memory)[0]
        zeros = ops.zeros((batch, self.units), self.compute_dtype)
        state = RecurrentDecoderState(
            recurrent=self._initial_states(zeros, encoder_state),
            position=ops.zeros((batch,), "int32"),
        )
        if self.input_feeding:
            state["fed"] = zeros
        constants = RecurrentDecoderConstants(memory=memory)
        if memory_mask is not None:
            constants["mask"] = ops.cast(memory_mask, "bool")
        if self.attention is None:
            if self.initial_state != "first_input":
                constants["context"] = ops.cast(encoder_vector(encoder_state), self.compute_dtype)
        else:
            constants["keys"] = keras.tree.map_structure(
                lambda keys: ops.cast(keys, self.compute_dtype), self.attention.project_keys(memory)
            )
        return state, constants

    def step(self, inputs, state, constants):
        """One step of generation.

        Args:
            inputs: Float tensor `[rows, features]`: the embedded previous tokens. Each row of the
                memory may have several rows, next to each other: beams, which share it.
            state: As returned by `start` or by the step before, of as many rows.
            constants: As returned by `start`.

        Returns:
            The attentional vectors `[rows, units]`, the next state, and the attention weights
            `[rows, source]`, `None` with attention `"none"`.
        """
        cells = [cell_of(layer, self.compute_dtype) for layer in self.stack]
        output, state, weights = self._step(inputs, state, constants, cells)
        return output if self.input_feeding else self.combine(output), state, weights

    def _step(self, inputs, state, constants, cells, training=None):
        """One step, for training too, with the cell of each layer as a function.

        Returns what `step` does, except that the output is the input of `combine` unless the next
        step needs its result.
        """
        parts = [ops.cast(inputs, self.compute_dtype)]
        position = ops.cast(state["position"], "int32")
        if self._attends_first:
            query = state["recurrent"][-1][0]  # of the step before
            context, weights = self._attend_once(query, constants, position, training)
            parts.append(context)
        if self.input_feeding:
            parts.append(state["fed"])
        hidden = _join(parts)
        recurrent = []
        for cell, states in zip(cells, state["recurrent"], strict=True):
            hidden, states = cell(hidden, list(states))
            recurrent.append(list(states))
        if not self._attends_first:
            context, weights = self._attend_once(hidden, constants, position, training)
        output = _join([context, hidden])
        state = RecurrentDecoderState(recurrent=recurrent, position=position + 1)
        if self.input_feeding:
            output = state["fed"] = self.combine(output)
        return output, state, weights

    def _all_steps_in_turn(self, inputs, state, constants, masks, training):
        # The loop returns outputs and weights as one tensor, so both have the wider dtype.
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        cells = [cell_of(layer, self.compute_dtype, training) for layer in self.stack]
        cells = list(map(_masked, cells, masks))

        def step(step_inputs, state):
            if dtype != self.compute_dtype:
                position = state["position"]
                state = keras.tree.map_structure(lambda x: ops.cast(x, self.compute_dtype), state)
                state["position"] = position
            output, state, weights = self._step(step_inputs, state, constants, cells, training)
            parts = [output] if weights is None else [output, weights]
            return _join([ops.cast(part, dtype) for part in parts]), state

        both = scan(step, ops.cast(inputs, dtype), state)  # [batch, target, features (+ source)]
        features = self.units if self.input_feeding else self.combine.kernel.shape[0]
        outputs = ops.cast(both[..., :features], self.compute_dtype)
        if not self.input_feeding:
            outputs = self.combine(outputs)
        return outputs, None if self.attention is None else both[..., features:]

    def _all_steps_at_once(self, inputs, state, constants, masks, training):
        hidden = inputs
        if self.attention is None:
            context, weights = self._attend(inputs, constants, None, training)
            hidden = _join([inputs, context])
        for layer, mask, states in zip(self.stack, masks, state["recurrent"], strict=True):
            hidden = hidden if mask is None else hidden * mask
            hidden, _ = run_recurrent(layer, hidden, initial_state=states, training=training)
        if self.attention is not None:
            context, weights = self._attend(hidden, constants, None, training)
        return self.combine(_join([context, hidden])), weights

    def _attend(self, query, constants, position, training):
        """The contexts `[batch, target, ...]` and weights of queries `[batch, target, units]`.

        Either is `None` if there is none.
        """
        if self.attention is None:
            context = constants.get("context")
            if context is not None:
                batch, target = ops.shape(query)[:2]
                context = ops.broadcast_to(context[:, None], (batch, target, context.shape[-1]))
            return context, None
        context, weights = self.attention(
            query,
            constants["memory"],
            value_mask=constants.get("mask"),
            projected_keys=constants["keys"],
            position=position,
            return_attention_scores=True,
            training=training,
        )
        if self.context_gate is not None:
            context = context * self.context_gate(query)
        return context, weights

    def _attend_once(self, query, constants, position, training):
        """The same for queries `[rows, units]`, of one step, one or more for each memory row."""
        memory = constants["memory"]
        rows, batch, beams = query.shape[0], memory.shape[0], -1
        if None not in (rows, batch):
            beams = rows // batch if batch else 1
            if rows != batch * beams:
                raise ValueError(
                    "The rows of `inputs` and `state` must be a multiple of those of the memory. "
                    f"Received: {rows} rows, memory of shape {tuple(memory.shape)}"
                )
        rows, (batch, source) = ops.shape(query)[0], ops.shape(memory)[:2]
        query = ops.reshape(query, (batch, beams, self.units))
        position = ops.reshape(position, (batch, beams))
        context, weights = self._attend(query, constants, position, training)
        if context is not None:
            context = ops.reshape(context, (rows, context.shape[-1]))
        if weights is not None:
            weights = ops.reshape(weights, (rows, source))
        return context, weights

    def _initial_states(self, zeros, encoder_state):
        """For each layer the list of its states, `[batch, units]` each."""
        count = self._states_per_layer
        if self.initial_state == "zero":
            return [[zeros] * count for _ in range(self.num_layers)]
        if self.initial_state == "bridge":
            bridged = self.bridge(encoder_vector(encoder_state))
            bridged = ops.split(bridged, self.num_layers * count, axis=-1)
            return [bridged[i * count : (i + 1) * count] for i in range(self.num_layers)]
        if self.initial_state == "first_input":
            hidden, states = self.first_input(encoder_vector(encoder_state)), []
            for layer in self.stack:
                hidden, new = layer.cell(hidden, [zeros] * count)
                states.append(list(new))
            return states
        states = encoder_states(encoder_state, self.num_layers, count, self.units)
        return [[ops.cast(state, self.compute_dtype) for state in layer] for layer in states]

    def _dropout_masks(self, inputs, training):
        """The dropout mask of each layer's inputs, `[batch, 1, units]`; `None` without dropout."""
        if not (training and self.dropout):
            return [None] * self.num_layers
        ones = ops.ones((ops.shape(inputs)[0], 1, self.units), self.compute_dtype)
        return [None, *(self.between(ones, training=True) for _ in self.stack[1:])]

    def compute_output_shape(self, inputs_shape, memory_shape=None, encoder_state_shape=None):
        return (*inputs_shape[:2], self.units)

    def compute_output_spec(
        self,
        inputs,
        memory,
        memory_mask=None,
        encoder_state=None,
        return_attention_scores=False,
        training=None,
    ):
        shape = self.compute_output_shape(inputs.shape)
        outputs = keras.KerasTensor(shape, dtype=self.compute_dtype)
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        weights = keras.KerasTensor((*shape[:2], memory.shape[1]), dtype=dtype)
        return (outputs, weights) if return_attention_scores else outputs

    def get_config(self):
        attention = self.attention_name
        if attention is None:
            attention = keras.saving.serialize_keras_object(self.attention)
        return super().get_config() | {
            "cell": self.cell,
            "units": self.units,
            "attention": attention,
            "num_layers": self.num_layers,
            "order": self.order,
            "input_feeding": self.input_feeding,
            "initial_state": self.initial_state,
            "attention_units": self.attention_units,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "gate": self.gate,
        }

    @classmethod
    def from_config(cls, config):
        attention = config.get("attention")
        if isinstance(attention, dict):
            attention = keras.saving.deserialize_keras_object(attention)
            config = config | {"attention": attention}
        if attention == "none":  # files of version 0.1.0 may have an order, without effect
            config = config | {"order": None}
        return super().from_config(config)


def _masked(cell, mask):
    """A cell whose inputs are multiplied by a dropout mask `[batch, 1, features]`, or `None`."""
    if mask is None:
        return cell
    return lambda inputs, states: cell(inputs * mask[:, 0], states)


def _join(parts):
    parts = [part for part in parts if part is not None]
    return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
