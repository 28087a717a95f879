"""Why a file cannot be used, in French: the operating system says it in its own language."""
from __future__ import annotations

import errno

_SAID = {
    errno.ENOENT: "introuvable",
    errno.EACCES: "accès refusé",
    errno.EPERM: "opération interdite",
    errno.EEXIST: "existe déjà",
    errno.EISDIR: "c'est un dossier",
    errno.ENOTDIR: "un élément du chemin n'est pas un dossier",
    errno.ENAMETOOLONG: "nom trop long",
    errno.ENOSPC: "disque plein",
    errno.EDQUOT: "quota atteint",
    errno.EFBIG: "fichier trop grand",
    errno.EROFS: "système de fichiers en lecture seule",
    errno.EIO: "erreur du disque",
}


def in_french(error: OSError) -> str:
    """A few words, to put inside a sentence; those of the system for what is rare."""
    return _SAID.get(error.errno or 0) or error.strerror or str(error)
