#include "app/pem.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <memory>
#include <optional>

#include "base/base64.h"

namespace gyre::app {

namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using PrivateKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// Nothing if it cannot be read whole.
std::optional<std::string> content_of(const std::string& path) {
  constexpr std::streamsize kMost = 1 << 20;
  std::ifstream file(path, std::ios::binary);
  std::string content(kMost, '\0');
  if (!file || !file.read(content.data(), kMost).eof()) return std::nullopt;
  content.resize(static_cast<size_t>(file.gcount()));
  return content;
}

bool is_pem(std::string_view text) {
  return text.contains("-----BEGIN ");
}

Bio reader_of(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

Certificate first_certificate(const std::string& pem) {
  const Bio bio = reader_of(pem);
  return {PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free};
}

// A key that is locked is not asked for on a terminal.
int refuse_password(char*, int, int, void*) {
  return 0;
}

}  // namespace

Result<std::string> resolve_pem(const std::string& value) {
  if (value.empty() || is_pem(value)) return value;
  if (std::optional<std::string> decoded = base64::decode(value); decoded && is_pem(*decoded)) {
    return std::move(*decoded);
  }
  // What is in it may be a secret that was broken in the copying: it is not repeated.
  std::optional<std::string> content = content_of(value);
  if (!content) {
    return fail(Errc::invalid, "is neither PEM text, nor that in base64, nor a readable file");
  }
  if (!is_pem(*content)) return fail(Errc::invalid, "names a file that is not PEM");
  return std::move(*content);
}

Result<void> check_certificates(const std::string& pem) {
  if (!first_certificate(pem)) return fail(Errc::invalid, "has no certificate");
  return {};
}

Result<void> check_key_pair(const std::string& certificate, const std::string& key) {
  const Certificate ours = first_certificate(certificate);
  if (!ours) return fail(Errc::invalid, "cert_pem has no certificate");
  const Bio bio = reader_of(key);
  const PrivateKey its_key{PEM_read_bio_PrivateKey(bio.get(), nullptr, &refuse_password, nullptr),
                           &EVP_PKEY_free};
  if (!its_key) return fail(Errc::invalid, "key_pem has no private key that can be read");
  if (X509_check_private_key(ours.get(), its_key.get()) != 1) {
    return fail(Errc::invalid, "key_pem is not the key of cert_pem");
  }
  return {};
}

}  // namespace gyre::app
