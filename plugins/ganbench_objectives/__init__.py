"""The objectives that come with ganbench. Found as third parties' are, they import only ``ganbench.__all__``."""

from ganbench import hookimpl


@hookimpl
def ganbench_objectives():
    """The classes, imported only when somebody asks for them."""
    from ganbench_objectives.dragan import Dragan
    from ganbench_objectives.feature_matching import FeatureMatching
    from ganbench_objectives.fgan_hellinger import FGanHellinger
    from ganbench_objectives.fgan_js import FGanJS
    from ganbench_objectives.fgan_kl import FGanKL
    from ganbench_objectives.fgan_neyman import FGanNeyman
    from ganbench_objectives.fgan_pearson import FGanPearson
    from ganbench_objectives.fgan_reverse_kl import FGanReverseKL
    from ganbench_objectives.fgan_tv import FGanTV
    from ganbench_objectives.gan import Minimax
    from ganbench_objectives.hinge import Hinge
    from ganbench_objectives.historical_averaging import HistoricalAveraging
    from ganbench_objectives.label_smoothing import LabelSmoothing
    from ganbench_objectives.lecam import LeCam
    from ganbench_objectives.lsgan import LeastSquares
    from ganbench_objectives.noisegan import InstanceNoise
    from ganbench_objectives.nsgan import NonSaturating
    from ganbench_objectives.nsgan_r1 import NonSaturatingR1
    from ganbench_objectives.r3gan import RegularisedRelativistic
    from ganbench_objectives.ragan import RelativisticAverage
    from ganbench_objectives.rpgan import RelativisticPairing
    from ganbench_objectives.wgan import WassersteinClip
    from ganbench_objectives.wgan_gp import WassersteinPenalty

    games = [Minimax, NonSaturating, LeastSquares, Hinge, RelativisticPairing, RelativisticAverage, WassersteinClip]
    steadied = [InstanceNoise, LabelSmoothing, HistoricalAveraging, FeatureMatching, LeCam]
    penalised = [WassersteinPenalty, NonSaturatingR1, RegularisedRelativistic, Dragan]
    divergences = [FGanKL, FGanReverseKL, FGanPearson, FGanNeyman, FGanHellinger, FGanJS, FGanTV]
    return [*games, *steadied, *penalised, *divergences]
