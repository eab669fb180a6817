"""Pictures that visitors add: taken in, made anew, kept, served. Nothing is ever served as it came.

This module imports nothing: `cackled.media.image_worker` starts once for each picture.
"""
