/* SPDX-License-Identifier: ISC
 * A layer over SQLite's files that fails on demand. */
#include "vfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <string.h>

struct vfs_faults vfs_faults;

struct layer_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct in memory */
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs layer_vfs;

static sqlite3_file *real(sqlite3_file *f)
{
	return ((struct layer_file *)f)->real;
}

static int counts_down(int *n)
{
	return *n > 0 && --*n == 0;
}

static int layer_close(sqlite3_file *f)
{
	return real(f)->pMethods->xClose(real(f));
}

static int layer_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	return counts_down(&vfs_faults.read_in) ? SQLITE_IOERR_READ : real(f)->pMethods->xRead(real(f), p, n, off);
}

static int layer_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	if (vfs_faults.full_in > 1)
		vfs_faults.full_in--;
	else if (vfs_faults.full_in == 1)
		return SQLITE_FULL;
	return real(f)->pMethods->xWrite(real(f), p, n, off);
}

static int layer_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	return real(f)->pMethods->xTruncate(real(f), n);
}

static int layer_sync(sqlite3_file *f, int flags)
{
	return counts_down(&vfs_faults.sync_in) ? SQLITE_IOERR_FSYNC : real(f)->pMethods->xSync(real(f), flags);
}

static int layer_file_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real(f)->pMethods->xFileSize(real(f), ret);
}

static int layer_lock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xLock(real(f), level);
}

static int layer_unlock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xUnlock(real(f), level);
}

static int layer_check_lock(sqlite3_file *f, int *ret)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), ret);
}

static int layer_control(sqlite3_file *f, int op, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int layer_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int layer_device(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int layer_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
	return real(f)->pMethods->xShmMap(real(f), page, size, extend, ret);
}

static int layer_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void layer_shm_barrier(sqlite3_file *f)
{
	real(f)->pMethods->xShmBarrier(real(f));
}

static int layer_shm_unmap(sqlite3_file *f, int delete)
{
	return real(f)->pMethods->xShmUnmap(real(f), delete);
}

static const sqlite3_io_methods layer_methods = {
    .iVersion = 2,
    .xClose = layer_close,
    .xRead = layer_read,
    .xWrite = layer_write,
    .xTruncate = layer_truncate,
    .xSync = layer_sync,
    .xFileSize = layer_file_size,
    .xLock = layer_lock,
    .xUnlock = layer_unlock,
    .xCheckReservedLock = layer_check_lock,
    .xFileControl = layer_control,
    .xSectorSize = layer_sector,
    .xDeviceCharacteristics = layer_device,
    .xShmMap = layer_shm_map,
    .xShmLock = layer_shm_lock,
    .xShmBarrier = layer_shm_barrier,
    .xShmUnmap = layer_shm_unmap,
};

static int layer_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct layer_file *layer = (struct layer_file *)f;
	int rc;

	(void)vfs;
	layer->real = (sqlite3_file *)(void *)(layer + 1);
	rc = real_vfs->xOpen(real_vfs, name, layer->real, flags, ret_flags);
	layer->base.pMethods = rc == SQLITE_OK ? &layer_methods : NULL;
	return rc;
}

void vfs_install(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	assert(real_vfs);
	layer_vfs = *real_vfs;
	layer_vfs.pNext = NULL;
	layer_vfs.zName = "faulty";
	layer_vfs.szOsFile = (int)sizeof(struct layer_file) + real_vfs->szOsFile;
	layer_vfs.xOpen = layer_open;
	assert(sqlite3_vfs_register(&layer_vfs, 1) == SQLITE_OK);
}
