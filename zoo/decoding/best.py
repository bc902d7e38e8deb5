"""The best candidates of a step."""

from keras import ops

from zoo.decoding.hypotheses import top_k


class Best:
    """The best candidates of each source.

    Args:
        scores: Float tensor `[batch, beam, width]`: scores of the candidates after each beam.
        count: int. Number of candidates to keep.
        places: int32 `[batch, count]`. Those to keep, among `beam * width`. Defaults to `None`:
            the best.
    """

    def __init__(self, scores, count, places=None):
        self.batch, self.beam, self.width = scores.shape
        self.single = self.beam * self.width == 1
        if self.single:
            self.scores = scores[:, :, 0]
            self.parents = ops.zeros((self.batch, 1), "int32")
            return
        scores = ops.reshape(scores, (self.batch, -1))
        if places is None:
            scores, places = top_k(scores, count)
        else:
            scores = ops.take_along_axis(scores, places, axis=1)
        self.scores = ops.reshape(scores, (self.batch, count))
        self.places = ops.reshape(places, (self.batch, count))
        self.parents = self.places // self.width  # the beam of each

    def candidates(self, values):
        """Values of candidates `[batch, beam, width]` to those of the best, `[batch, count]`."""
        if self.single:
            return values[:, :, 0]
        return ops.take_along_axis(ops.reshape(values, (self.batch, -1)), self.places, axis=1)

    def beams(self, values):
        """Values of beams `[batch, beam, ...]` to those of the best candidates' beams."""
        if self.single:
            return values
        parents = ops.reshape(self.parents, (*self.parents.shape, *[1] * (len(values.shape) - 2)))
        return ops.take_along_axis(values, parents, axis=1)

    def rows(self, values):
        """The same as `beams` for `[batch * beam, ...]`."""
        if self.single:
            return values
        offsets = self.beam * ops.arange(self.batch, dtype="int32")[:, None]
        return ops.take(values, ops.reshape(self.parents + offsets, (-1,)), axis=0)
