"""What raised a clip's score: numbers in, numbers out, for any detector and without its help."""

from asdkit.explain.nearest import Excerpt, NearestExcerpts
from asdkit.explain.occlusion import Explanation, Grid, MemberInput, Scorer, explain

__all__ = ["Excerpt", "Explanation", "Grid", "MemberInput", "NearestExcerpts", "Scorer", "explain"]
