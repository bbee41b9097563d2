/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_STORE_VFS_H
#define POMBO_TEST_STORE_VFS_H

/* Puts a layer over SQLite's files that fails on demand. Once a process, before the first store is opened. */
void vfs_install(void);

struct vfs_faults {
	int sync_in; /* the so-manieth fsync from now fails; 0: none */
	int full_in; /* the so-manieth write from now, and all after it, find the disk full */
	int read_in; /* the so-manieth read fails */
};
extern struct vfs_faults vfs_faults;

#endif
