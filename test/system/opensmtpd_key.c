/* SPDX-License-Identifier: ISC
 * Preloaded, lets Debian 12's OpenSMTPD (6.8.0p2) use a certificate of its own (foreign.py).
 *
 * It marks the public key that EVP_PKEY_get1_RSA() or EVP_PKEY_get1_EC_KEY() gives it: signing with it is left to the process that has the private
 * half. Since OpenSSL 3 that is a copy, the mark is lost, and every handshake ends with "missing private key" and "EVP lib". Here the copy becomes
 * the key, as later OpenSMTPDs have it. */
#include <dlfcn.h>
#include <openssl/evp.h>

RSA *EVP_PKEY_get1_RSA(EVP_PKEY *key)
{
	RSA *(*get1)(EVP_PKEY *) = (RSA * (*)(EVP_PKEY *)) dlsym(RTLD_NEXT, "EVP_PKEY_get1_RSA");
	RSA *rsa = get1(key);

	if (rsa)
		EVP_PKEY_set1_RSA(key, rsa);
	return rsa;
}

EC_KEY *EVP_PKEY_get1_EC_KEY(EVP_PKEY *key)
{
	EC_KEY *(*get1)(EVP_PKEY *) = (EC_KEY * (*)(EVP_PKEY *)) dlsym(RTLD_NEXT, "EVP_PKEY_get1_EC_KEY");
	EC_KEY *ec = get1(key);

	if (ec)
		EVP_PKEY_set1_EC_KEY(key, ec);
	return ec;
}
