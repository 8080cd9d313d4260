"""Explain a clip's score: occlusion heat maps and nearest training excerpts, for the scores of any detector."""

from asdkit.explain.nearest import Excerpt, NearestExcerpts
from asdkit.explain.occlusion import Explanation, Grid, MemberInput, Scorer, explain

__all__ = ["Excerpt", "Explanation", "Grid", "MemberInput", "NearestExcerpts", "Scorer", "explain"]
