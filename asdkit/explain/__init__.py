"""What raised a clip's score: numbers in, numbers out, for any detector and without its help."""

from asdkit.explain.occlusion import Explanation, Grid, Part, Scorer, explain
from asdkit.explain.usual import Excerpt, Usual

__all__ = ["Excerpt", "Explanation", "Grid", "Part", "Scorer", "Usual", "explain"]
